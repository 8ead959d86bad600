package provider

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/alessio/shellescape"
)

const (
	// held is the maximum size of input that is read to show it. Larger input is an image or
	// similar, which is not readable.
	held = 4 << 20
	// short is the maximum size of input that is shown: a screenful.
	short = 4 << 10
)

// peek returns a command's input, which the command still receives. ok is false for input that is
// not in memory: a terminal, for example, may never end.
func peek(cmd *Cmd) (data []byte, ok bool) {
	memory, ok := cmd.Stdin.(interface{ Len() int })
	if !ok || memory.Len() > held {
		return nil, false
	}
	data, err := io.ReadAll(cmd.Stdin)
	if err != nil {
		return nil, false // types with the method Len are in memory and do not fail
	}
	cmd.Stdin = bytes.NewReader(data)
	return data, true
}

// shown returns a note that describes a command's input, and the start of a pipe that feeds the
// input to the command in a shell. pipe is empty if the input is long or secret. An archive is read
// again, so that no caller has to describe its input for the trace.
func shown(data []byte, ok bool) (note, pipe string) {
	if !ok {
		return "its input is a stream", ""
	}
	if files, err := unarchive(data); err == nil && len(files) > 0 {
		note = list(files)
		if packed := pack(data); len(packed) <= short && !secret(files) {
			pipe = "echo " + packed + " | base64 -d | gunzip | "
		}
		return note, pipe
	}
	if len(data) > short || !utf8.Valid(data) || private(data) {
		return fmt.Sprintf("its input is %d bytes", len(data)), ""
	}
	return "", "printf %s " + shellescape.Quote(string(data)) + " | "
}

// confidential reports whether a command's input contains secrets.
func confidential(data []byte) bool {
	if files, err := unarchive(data); err == nil && len(files) > 0 {
		return secret(files)
	}
	return private(data)
}

// unarchive returns the files of a tar archive, without its folders.
func unarchive(data []byte) ([]File, error) {
	var files []File
	reader := tar.NewReader(bytes.NewReader(data))
	for {
		h, err := reader.Next()
		if err == io.EOF {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		if h.Typeflag == tar.TypeDir {
			continue
		}
		content, err := io.ReadAll(reader)
		if err != nil {
			return nil, err
		}
		files = append(files, File{Path: "/" + strings.TrimPrefix(h.Name, "/"), Data: content, Mode: h.FileInfo().Mode()})
	}
}

// list returns the names and modes of files.
func list(files []File) string {
	var names []string
	for _, f := range files {
		mode := f.Mode.Perm()
		if mode == 0 {
			mode = 0o644
		}
		names = append(names, fmt.Sprintf("%s (%04o)", f.Path, mode))
	}
	switch len(names) {
	case 0:
		return "no files"
	case 1:
		return "1 file: " + names[0]
	}
	return fmt.Sprintf("%d files: %s", len(names), strings.Join(names, ", "))
}

// secret reports whether one of the files is not readable by everyone. A trace may end up in a log
// that many people read.
func secret(files []File) bool {
	for _, f := range files {
		if f.Mode.Perm() != 0 && f.Mode.Perm()&0o004 == 0 || private(f.Data) {
			return true
		}
	}
	return false
}

// ofKindSecret matches an object of Kubernetes with secrets, as YAML or JSON.
var ofKindSecret = regexp.MustCompile(`\bkind"?:\s*"?Secret\b`)

// private reports whether data contains a secret that Redact finds, an object of the kind Secret, or
// the key of a kubeconfig.
func private(data []byte) bool {
	return !bytes.Equal(Redact(data), data) || ofKindSecret.Match(data) || bytes.Contains(data, []byte("client-key-data"))
}

// pack compresses an archive, which is mostly zeros, and encodes it as base64.
func pack(data []byte) string {
	var out bytes.Buffer
	encoded := base64.NewEncoder(base64.StdEncoding, &out)
	zipped := gzip.NewWriter(encoded)
	// Writes to a bytes.Buffer do not fail.
	_, _ = zipped.Write(data)
	_ = zipped.Close()
	_ = encoded.Close()
	return out.String()
}
