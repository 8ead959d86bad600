package provider

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"path"
	"sort"
	"strings"
)

// Versions lists the versions of what a node image contains. All but Kubernetes are image tags, as
// the upstream registries have them.
type Versions struct {
	Kubernetes, Etcd, CoreDNS, Pause, LocalPath, MetricsServer string
}

// IPOf returns a node's address of one family, IPv6 if ipv6 is set. It is invalid if the node has
// none.
func IPOf(n Node, ipv6 bool) netip.Addr {
	for _, ip := range n.IPs() {
		if ip.Is6() == ipv6 {
			return ip
		}
	}
	return netip.Addr{}
}

// ExitError is the error of a command that ran and failed.
type ExitError struct {
	Node string
	Args []string
	Code int
	// Stderr is the end of the command's standard error, if Cmd.Stderr was nil.
	Stderr string
}

// Error returns the command and its standard error, without the secrets that Redact finds.
func (e *ExitError) Error() string {
	msg := fmt.Sprintf("running %s on %s: exit code %d", strings.Join(redactArgs(e.Args), " "), e.Node, e.Code)
	if strings.TrimSpace(e.Stderr) != "" {
		msg += ": " + e.Reason()
	}
	return msg
}

// ExitCode returns the exit code in an error of Run: 0 for nil, -1 for an error that is not an
// ExitError.
func ExitCode(err error) int {
	if err == nil {
		return 0
	}
	if exit := (*ExitError)(nil); errors.As(err, &exit) {
		return exit.Code
	}
	return -1
}

// ErrNotRunning is in the error of a Run on a node that is known to be stopped. Some providers
// cannot detect that. Test for it with errors.Is: the error itself names the node and the next
// step.
var ErrNotRunning = errors.New("is not running")

// Output runs a command and returns its standard output.
func Output(ctx context.Context, n Node, args ...string) ([]byte, error) {
	var out bytes.Buffer
	err := n.Run(ctx, Cmd{Args: args, Stdout: &out})
	return out.Bytes(), err
}

// WriteFiles writes files to a running node, all in one command. Without files, it runs no command.
func WriteFiles(ctx context.Context, n Node, files []File) error {
	if len(files) == 0 {
		return nil
	}
	var archive bytes.Buffer
	if err := Archive(&archive, files); err != nil {
		return err
	}
	// The archive lists all folders with mode 0755. --no-overwrite-dir keeps the modes of those
	// that exist.
	err := n.Run(ctx, Cmd{Args: []string{"tar", "-C", "/", "--no-overwrite-dir", "-xf", "-"}, Stdin: &archive})
	if err != nil {
		return fmt.Errorf("writing files on %s: %w", n.Name(), err)
	}
	return nil
}

// Archive writes files as a tar archive that is unpacked at the root. All entries are owned by
// root. The archive also contains the folders above the files.
func Archive(w io.Writer, files []File) error {
	out := tar.NewWriter(w)
	made := map[string]bool{}
	sorted := append([]File(nil), files...)
	sort.SliceStable(sorted, func(i, j int) bool { return sorted[i].Path < sorted[j].Path })
	for _, f := range sorted {
		name := strings.TrimPrefix(path.Clean(f.Path), "/")
		if err := addFolders(out, made, path.Dir(name)); err != nil {
			return err
		}
		if f.Mode.IsDir() {
			if err := addFolder(out, made, name, f.Mode); err != nil {
				return err
			}
			continue
		}
		mode := int64(f.Mode.Perm())
		if mode == 0 {
			mode = 0o644
		}
		if err := out.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(f.Data))}); err != nil {
			return fmt.Errorf("archiving %s: %w", f.Path, err)
		}
		if _, err := out.Write(f.Data); err != nil {
			return fmt.Errorf("archiving %s: %w", f.Path, err)
		}
	}
	return out.Close()
}

// Archived runs a command that writes a tar archive to its standard output, and returns the regular
// files of that archive by their absolute path.
func Archived(ctx context.Context, n Node, args ...string) (map[string][]byte, error) {
	data, err := Output(ctx, n, args...)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for reader := tar.NewReader(bytes.NewReader(data)); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		} else if err != nil {
			return nil, err
		}
		if header.Typeflag == tar.TypeReg {
			if files["/"+strings.TrimPrefix(header.Name, "/")], err = io.ReadAll(reader); err != nil {
				return nil, err
			}
		}
	}
}

// addFolders writes dir and the folders above it, unless made lists them already.
func addFolders(out *tar.Writer, made map[string]bool, dir string) error {
	if dir == "." || made[dir] {
		return nil
	}
	if err := addFolders(out, made, path.Dir(dir)); err != nil {
		return err
	}
	return addFolder(out, made, dir, 0o755)
}

func addFolder(out *tar.Writer, made map[string]bool, dir string, mode fs.FileMode) error {
	made[dir] = true
	return out.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: int64(mode.Perm())})
}

// Reason returns the command's standard error without secrets, or its exit code if standard error is
// empty.
func (e *ExitError) Reason() string {
	if s := strings.TrimSpace(e.Stderr); s != "" {
		return string(Redact([]byte(s)))
	}
	return fmt.Sprintf("exit code %d", e.Code)
}
