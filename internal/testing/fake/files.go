package fake

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/mkube/mkube/pkg/provider"
)

// writeFiles writes files on the node from an archive, as a provider does.
func (n *Node) writeFiles(files []provider.File) error {
	var archive bytes.Buffer
	if err := provider.Archive(&archive, files); err != nil {
		return err
	}
	return n.unpack(&archive)
}

// tarProgram implements tar as mkube runs it: it unpacks its input at the root, or packs files of
// the root.
func tarProgram(_ context.Context, n *Node, cmd provider.Cmd) (int, error) {
	args := slices.DeleteFunc(slices.Clone(cmd.Args), func(arg string) bool { return arg == ignoreMissing })
	if len(args) > 5 && slices.Equal(args[1:5], []string{"-C", "/", "-cf", "-"}) {
		return n.pack(cmd.Stdout, cmd.Stderr, args[5:], len(args) < len(cmd.Args))
	}
	i := slices.Index(cmd.Args, "-C")
	if i < 0 || i+1 == len(cmd.Args) || cmd.Args[i+1] != "/" || !slices.Contains(cmd.Args, "-xf") || cmd.Args[len(cmd.Args)-1] != "-" {
		fmt.Fprintln(cmd.Stderr, "tar: a fake node's tar only knows -C / -xf - and -C / -cf - FILE...")
		return 2, nil
	}
	if err := n.unpack(cmd.Stdin); err != nil {
		fmt.Fprintf(cmd.Stderr, "tar: %v\n", err)
		return 2, nil
	}
	return 0, nil
}

// ignoreMissing is the flag of tar that skips what does not exist.
const ignoreMissing = "--ignore-failed-read"

// pack writes files, and folders with their content, as an archive. Their names begin at the root.
// If lenient is set, it skips what does not exist.
func (n *Node) pack(stdout, stderr io.Writer, names []string, lenient bool) (int, error) {
	w := tar.NewWriter(stdout)
	files := n.Files()
	for _, name := range names {
		found := false
		for _, path := range slices.Sorted(maps.Keys(files)) {
			f := files[path]
			if path != "/"+name && !strings.HasPrefix(path, "/"+name+"/") {
				continue
			}
			found = true
			if f.Mode.IsDir() {
				continue
			}
			if err := w.WriteHeader(&tar.Header{Name: strings.TrimPrefix(path, "/"), Mode: int64(f.Mode.Perm()), Size: int64(len(f.Data))}); err != nil {
				return 0, err
			}
			if _, err := w.Write(f.Data); err != nil {
				return 0, err
			}
		}
		if !found && !lenient {
			fmt.Fprintf(stderr, "tar: %s: Cannot stat: No such file or directory\n", name)
			return 2, nil
		}
	}
	return 0, w.Close()
}

// remove implements rm -f and rm -rf.
func remove(_ context.Context, n *Node, cmd provider.Cmd) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, name := range cmd.Args[2:] {
		for path := range n.files {
			if path == name || cmd.Args[1] == "-rf" && strings.HasPrefix(path, name+"/") {
				delete(n.files, path)
			}
		}
	}
	return 0, nil
}

// unpack adds the entries of an archive to the node. Every entry must be owned by root, because
// every file of a node is.
func (n *Node) unpack(archive io.Reader) error {
	reader := tar.NewReader(archive)
	for {
		h, err := reader.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Uid != 0 || h.Gid != 0 {
			return fmt.Errorf("%s: owned by %d:%d, not by root", h.Name, h.Uid, h.Gid)
		}
		data, err := io.ReadAll(reader)
		if err != nil {
			return err
		}
		n.add(provider.File{Path: path.Clean("/" + h.Name), Data: data, Mode: h.FileInfo().Mode()})
	}
}

// add keeps the mode of an existing folder, as --no-overwrite-dir does.
func (n *Node) add(f provider.File) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, there := n.files[f.Path]; there && f.Mode.IsDir() {
		return
	}
	n.files[f.Path] = f
}

// cat writes files of the node to the output of the command. Without a file, it writes the input.
func cat(_ context.Context, n *Node, cmd provider.Cmd) (int, error) {
	if len(cmd.Args) == 1 {
		_, err := io.Copy(cmd.Stdout, cmd.Stdin)
		return 0, err
	}
	code := 0
	for _, name := range cmd.Args[1:] {
		f, ok := n.File(path.Clean(name))
		if !ok || f.Mode.IsDir() {
			fmt.Fprintf(cmd.Stderr, "cat: %s: No such file or directory\n", name)
			code = 1
			continue
		}
		if _, err := cmd.Stdout.Write(f.Data); err != nil {
			return 0, err
		}
	}
	return code, nil
}
