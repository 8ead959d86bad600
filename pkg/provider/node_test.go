package provider_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"reflect"
	"testing"

	"github.com/mkube/mkube/internal/testing/fake"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

func TestArchive(t *testing.T) {
	t.Parallel()
	files := []provider.File{
		{Path: "/etc/b", Data: []byte("bb")},
		{Path: "/etc/a/x", Data: []byte("x"), Mode: 0o600},
		{Path: "/top", Mode: 0o755},
		{Path: "/etc//c/../d", Data: nil},
	}
	var b bytes.Buffer
	if err := provider.Archive(&b, files); err != nil {
		t.Fatal(err)
	}
	var got []string
	for reader := tar.NewReader(&b); ; {
		h, err := reader.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%c %s %o %d:%d %s%s %q", h.Typeflag, h.Name, h.Mode, h.Uid, h.Gid, h.Uname, h.Gname, data))
	}
	want := []string{
		`5 etc/ 755 0:0  ""`,
		`0 etc/d 644 0:0  ""`,
		`5 etc/a/ 755 0:0  ""`,
		`0 etc/a/x 600 0:0  "x"`,
		`0 etc/b 644 0:0  "bb"`,
		`0 top 755 0:0  ""`,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Archive wrote\n%q; want\n%q", got, want)
	}
	if files[0].Path != "/etc/b" {
		t.Error("Archive sorted the caller's files")
	}
}

// TestArchiveOfFolders checks that a folder has its own mode, also if there are files in it.
func TestArchiveOfFolders(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	err := provider.Archive(&b, []provider.File{{Path: "/var/data/x"}, {Path: "/var/data", Mode: fs.ModeDir | 0o700}, {Path: "/var/empty/", Mode: fs.ModeDir | 0o750}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for reader := tar.NewReader(&b); ; {
		h, err := reader.Next()
		if err != nil {
			break
		}
		got = append(got, fmt.Sprintf("%c %s %o", h.Typeflag, h.Name, h.Mode))
	}
	if want := []string{"5 var/ 755", "5 var/data/ 700", "0 var/data/x 644", "5 var/empty/ 750"}; !reflect.DeepEqual(got, want) {
		t.Errorf("Archive wrote %q; want %q", got, want)
	}
}

type brokenWriter struct{ after int }

var errBroken = errors.New("broken")

func (w *brokenWriter) Write(p []byte) (int, error) {
	if w.after--; w.after < 0 {
		return 0, errBroken
	}
	return len(p), nil
}

func TestArchiveReportsWriteErrors(t *testing.T) {
	t.Parallel()
	for after := range 4 {
		err := provider.Archive(&brokenWriter{after}, []provider.File{{Path: "/a/b", Data: []byte("x")}})
		if !errors.Is(err, errBroken) {
			t.Errorf("Archive onto a writer that breaks after %d writes = %v", after, err)
		}
	}
}

func TestWriteFiles(t *testing.T) {
	t.Parallel()
	p := new(fake.Provider)
	nodes, err := p.Create(t.Context(), config.Cluster{}.Default(), "", noSeed)
	if err != nil {
		t.Fatal(err)
	}
	before := len(p.Calls())
	if err := provider.WriteFiles(t.Context(), nodes[0], nil); err != nil || len(p.Calls()) != before {
		t.Errorf("WriteFiles of nothing = %v, with %d commands", err, len(p.Calls())-before)
	}
	files := []provider.File{{Path: "/etc/x", Data: []byte("1")}, {Path: "/etc/y", Data: []byte("2"), Mode: 0o600}}
	if err := provider.WriteFiles(t.Context(), nodes[0], files); err != nil || len(p.Calls()) != before+1 {
		t.Errorf("WriteFiles = %v, with %d commands; want 1", err, len(p.Calls())-before)
	}
	for _, f := range files {
		if got, err := provider.Output(t.Context(), nodes[0], "cat", f.Path); string(got) != string(f.Data) || err != nil {
			t.Errorf("%s = %q, %v", f.Path, got, err)
		}
	}
	if err := p.Delete(t.Context(), "mkube", ""); err != nil {
		t.Fatal(err)
	}
	err = provider.WriteFiles(t.Context(), nodes[0], files)
	if want := "writing files on mkube-control-plane: no such node: mkube-control-plane"; fmt.Sprint(err) != want {
		t.Errorf("WriteFiles on no node = %v; want %s", err, want)
	}
}

func TestExitError(t *testing.T) {
	t.Parallel()
	quiet := &provider.ExitError{Node: "n", Args: []string{"a", "b"}, Code: 3, Stderr: " \n"}
	loud := &provider.ExitError{Node: "n", Args: []string{"a", "b"}, Code: 3, Stderr: "no\nway\n"}
	secret := &provider.ExitError{Node: "n", Args: []string{"a", "--token=b", "--password", "c d"}, Code: 1, Stderr: "Bearer b is unknown\n"}
	for err, want := range map[*provider.ExitError][2]string{
		secret: {
			"running a --token=REDACTED --password REDACTED on n: exit code 1: Bearer REDACTED is unknown", "Bearer REDACTED is unknown",
		},
		quiet: {"running a b on n: exit code 3", "exit code 3"},
		loud:  {"running a b on n: exit code 3: no\nway", "no\nway"},
	} {
		if got := [2]string{err.Error(), err.Reason()}; got != want {
			t.Errorf("Error, Reason = %q; want %q", got, want)
		}
	}
	for _, test := range []struct {
		err  error
		want int
	}{
		{nil, 0}, {quiet, 3}, {fmt.Errorf("wrapped: %w", quiet), 3}, {errBroken, -1},
	} {
		if got := provider.ExitCode(test.err); got != test.want {
			t.Errorf("ExitCode(%v) = %d; want %d", test.err, got, test.want)
		}
	}
}
