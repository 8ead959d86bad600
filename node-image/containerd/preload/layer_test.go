package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/go-digest"
)

// source creates a file on the host with a mode, and returns its path.
func source(t *testing.T, name, content string, mode fs.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLinkMakesWhatALayerLists(t *testing.T) {
	t.Parallel()
	program, secret := source(t, "program", "binary", 0o755), source(t, "secret", "hush", 0o600)
	dir := t.TempDir()
	err := Layer{
		{Path: "tmp", Mode: fs.ModeDir | 0o777},
		{Path: "tmp", Mode: fs.ModeDir | 0o777}, // an existing folder
		{Path: "bin", Mode: fs.ModeDir | 0o755},
		{Path: "bin/program", Mode: 0o755, Source: program},
		{Path: "bin/readable", Mode: 0o644, Source: secret},
		{Path: "bin/other", Link: "program"},
		{Path: "../../escaped", Mode: 0o755, Source: program},
	}.link(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"tmp": "drwxrwxrwx", "bin": "drwxr-xr-x", "bin/program": "-rwxr-xr-x", "bin/readable": "-rw-r--r--", "escaped": "-rwxr-xr-x",
	} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().String() != want {
			t.Errorf("%s is %v, %v; want %s", name, info, err, want)
		}
	}
	if target, err := os.Readlink(filepath.Join(dir, "bin/other")); target != "program" || err != nil {
		t.Errorf("the symbolic link leads to %q, %v", target, err)
	}
	if !sameFile(t, program, filepath.Join(dir, "bin/program")) {
		t.Error("a file whose mode fits is copied, not linked")
	}
	if sameFile(t, secret, filepath.Join(dir, "bin/readable")) {
		t.Error("a file of another mode is linked: that changes the mode of its source")
	}
}

func sameFile(t *testing.T, a, b string) bool {
	t.Helper()
	var inodes [2]uint64
	for i, path := range []string{a, b} {
		var stat syscall.Stat_t
		if err := syscall.Stat(path, &stat); err != nil {
			t.Fatal(err)
		}
		inodes[i] = stat.Ino
	}
	return inodes[0] == inodes[1]
}

func TestLinkFails(t *testing.T) {
	t.Parallel()
	program := source(t, "program", "binary", 0o755)
	for name, layer := range map[string]Layer{
		"no source":         {{Path: "a", Mode: 0o755, Source: program + ".none"}},
		"no folder":         {{Path: "a/b", Mode: 0o755, Source: program}},
		"the same file":     {{Path: "a", Mode: 0o644, Source: program}, {Path: "a", Mode: 0o644, Source: program}},
		"a link to nothing": {{Path: "a/b", Link: "c"}},
	} {
		if err := layer.link(t.TempDir()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestDigestIsOfTheArchive checks that the digest is the one that another tool computes for the same
// archive.
func TestDigestIsOfTheArchive(t *testing.T) {
	t.Parallel()
	program := source(t, "program", "binary", 0o755)
	layer := Layer{{Path: "bin", Mode: fs.ModeDir | 0o755}, {Path: "bin/program", Mode: 0o755, Source: program}, {Path: "bin/other", Link: "program"}}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, h := range []*tar.Header{
		{Typeflag: tar.TypeDir, Name: "bin/", Mode: 0o755, Format: tar.FormatPAX},
		{Typeflag: tar.TypeReg, Name: "bin/program", Mode: 0o755, Size: 6, Format: tar.FormatPAX},
		{Typeflag: tar.TypeSymlink, Name: "bin/other", Linkname: "program", Mode: 0o777, Format: tar.FormatPAX},
	} {
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			fmt.Fprint(w, "binary")
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got, size, err := layer.digest()
	if want := digest.FromBytes(archive.Bytes()); got != want || size != int64(archive.Len()) || err != nil {
		t.Errorf("digest = %s, %d, %v; want %s, %d", got, size, err, want, archive.Len())
	}
	_, _, err = Layer{{Path: "bin/gone", Source: program + ".none"}}.digest()
	if err == nil || !strings.HasPrefix(err.Error(), "archiving bin/gone: ") {
		t.Errorf("digest of a file that is not there = %v", err)
	}
}
