package transfer

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mkube/mkube/internal/testing/fake"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// archive returns a tar of regular files, with a folder and a link among them.
func archive(t *testing.T, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	headers := []*tar.Header{
		{Typeflag: tar.TypeDir, Name: "./", Mode: 0o755},
		{Typeflag: tar.TypeSymlink, Name: "./link", Linkname: "/etc/passwd"},
	}
	for _, name := range files {
		headers = append(headers, &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o640, Size: 3})
	}
	for _, h := range headers {
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := io.WriteString(w, "log"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// logged returns a node that answers by the first word of a command.
func logged(name string, role config.Role, pods []byte, fail map[string]error) fake.Scripted {
	return fake.Scripted{NodeName: name, NodeRole: role, RunFunc: func(_ context.Context, cmd provider.Cmd) error {
		if cmd.Args[0] == "tar" {
			_, err := cmd.Stdout.Write(pods)
			return errors.Join(err, fail["tar"])
		}
		if err, failing := fail[cmd.Args[0]]; failing {
			return err
		}
		_, err := io.WriteString(cmd.Stdout, strings.Join(append(cmd.Env, cmd.Args...), " "))
		return err
	}}
}

// told is a node whose provider implements Inspect.
type told struct{ fake.Scripted }

func (told) Inspect(_ context.Context, w io.Writer) error {
	_, err := io.WriteString(w, "{}")
	return err
}

// wantTree checks that a folder contains exactly these files.
func wantTree(t *testing.T, dir string, want ...string) {
	t.Helper()
	var got []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			got = append(got, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestExportLogs(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b")
	nodes := []provider.Node{
		told{logged("c", config.ControlPlane, archive(t, "./kube-system_etcd_1/etcd/0.log"), nil)},
		logged("w", config.Worker, archive(t), nil),
	}
	written, err := ExportLogs(t.Context(), nodes, dir, nil)
	if err != nil || written != 17 {
		t.Errorf("wrote %d, %v", written, err)
	}
	wantTree(t, dir,
		"c/console.log", "c/journal.log", "c/kubelet.log", "c/containerd.log", "c/containers.txt", "c/images.txt", "c/inspect.json",
		"c/pods/kube-system_etcd_1/etcd/0.log",
		"w/console.log", "w/journal.log", "w/kubelet.log", "w/containerd.log", "w/containers.txt", "w/images.txt",
		"cluster/nodes.yaml", "cluster/pods.yaml", "cluster/events.yaml")
	got, err := os.ReadFile(filepath.Join(dir, "cluster/pods.yaml"))
	if want := "KUBECONFIG=/etc/kubernetes/admin.conf kubectl get pods --all-namespaces --output yaml --request-timeout 10s"; err != nil || string(got) != want {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestLogsAreForTheirOwnerOnly checks the modes, because a pod's logs and environment variables
// may contain secrets.
func TestLogsAreForTheirOwnerOnly(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b")
	n := logged("c", config.ControlPlane, archive(t, "./kube-system_etcd_1/etcd/0.log"), nil)
	if _, err := ExportLogs(t.Context(), []provider.Node{n}, dir, nil); err != nil {
		t.Fatal(err)
	}
	files := 0
	err := filepath.WalkDir(filepath.Dir(dir), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		} else {
			files++
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has the mode %o; want %o", path, info.Mode().Perm(), want)
		}
		return nil
	})
	if err != nil || files != 10 {
		t.Errorf("there are %d files, %v", files, err)
	}
}

// TestExportLogsTakesWhatItCan checks that a failing command does not affect the other files.
func TestExportLogsTakesWhatItCan(t *testing.T) {
	t.Parallel()
	off := errors.New("off")
	changed := &provider.ExitError{Code: 1, Stderr: "file changed as we read it"}
	for _, tt := range []struct {
		name  string
		pods  []byte
		fail  map[string]error
		wrote int
		want  string
	}{
		{"runtime", archive(t, "p/0.log"), map[string]error{"crictl": off}, 8, "exporting c/containers.txt: off\nexporting c/images.txt: off"},
		{"tar", archive(t, "p/0.log"), map[string]error{"tar": off}, 10, "exporting c/pods: off"},
		{"a log that grows", archive(t, "p/0.log"), map[string]error{"tar": changed}, 10, ""},
		{"half an archive", archive(t, "p/0.log")[:1537], nil, 10, "exporting c/pods: unexpected EOF"},
		{"out of the folder", archive(t, "../../../x"), nil, 9, "exporting c/pods: mkdirat .."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			n := logged("c", config.ControlPlane, tt.pods, tt.fail)
			written, err := ExportLogs(t.Context(), []provider.Node{n}, filepath.Join(dir, "logs"), nil)
			if written != tt.wrote {
				t.Errorf("wrote %d files, want %d", written, tt.wrote)
			}
			if (err != nil) != (tt.want != "") || err != nil && !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
