package transfer

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/base64"
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
		text := strings.Join(append(cmd.Env, cmd.Args...), " ")
		if cmd.Args[0] == "kubectl" {
			text = `{"command":["` + strings.ReplaceAll(text, " ", `","`) + `"]}`
		}
		_, err := io.WriteString(cmd.Stdout, text)
		return err
	}}
}

// told is a node whose provider implements Inspect.
type told struct{ fake.Scripted }

func (told) Inspect(_ context.Context, w io.Writer) error {
	_, err := io.WriteString(w, `{"Config":{"Env":["PROXY=s3cret-value","PATH=/bin"]}}`)
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
	want := "# mkube has replaced the values of environment variables and HTTP headers by REDACTED.\n" +
		"command:\n- KUBECONFIG=/etc/kubernetes/admin.conf\n- kubectl\n- get\n- pods\n- --all-namespaces\n- --output\n- json\n- --request-timeout\n- 10s\n"
	if err != nil || string(got) != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
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

const (
	plantedKey   = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIPlantedKey\n-----END EC PRIVATE KEY-----\n"
	plantedToken = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJtZSJ9.c2lnbmF0dXJl"
)

// plantedData is the key as in a kubeconfig.
var plantedData = base64.StdEncoding.EncodeToString([]byte(plantedKey))

// planted are the secrets in the logs of TestLogsHaveNoSecrets.
var planted = []string{"s3cret-value", "MHcCAQEEIPlantedKey", plantedToken, "proxy-pass", plantedData}

// plantedPods are pods with secrets where pods have them.
var plantedPods = `{"kind":"List","items":[{"kind":"Pod","metadata":{"name":"web","annotations":{
"kubectl.kubernetes.io/last-applied-configuration":"{\"env\":[{\"value\":\"s3cret-value\"}]}","note":"kept"}},
"spec":{"containers":[{"name":"web","args":["--token=s3cret-value","--v=4"],"env":[{"name":"PASSWORD","value":"s3cret-value"},
{"name":"EMPTY"},{"name":"FROM","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}}],
"livenessProbe":{"httpGet":{"httpHeaders":[{"name":"Authorization","value":"s3cret-value"}],"port":80}}}],
"initContainers":[{"env":[{"name":"KEY","value":"` + strings.ReplaceAll(plantedKey, "\n", `\n`) + `"}],
"command":["sh","-c","echo a long line before it: ` + strings.ReplaceAll(plantedKey, "\n", `\n`) + `"]}],"priority":2000001000}}]}`

// TestLogsHaveNoSecrets plants secrets wherever export reads, and looks for them in all files.
func TestLogsHaveNoSecrets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := plantedKey + "got " + plantedToken + "\nclient-key-data: " + plantedData + "\nHTTP_PROXY=http://me:proxy-pass@proxy:3128\nthe end\n"
	run := func(_ context.Context, cmd provider.Cmd) error {
		switch cmd.Args[0] {
		case "kubectl":
			_, err := io.WriteString(cmd.Stdout, plantedPods)
			return err
		case "tar":
			return tarOf(cmd.Stdout, "./default_web_1/web/0.log", log)
		}
		_, err := io.WriteString(cmd.Stdout, log)
		return err
	}
	n := told{fake.Scripted{NodeName: "c", NodeRole: config.ControlPlane, RunFunc: run}}
	if _, err := ExportLogs(t.Context(), []provider.Node{n}, dir, nil); err != nil {
		t.Fatal(err)
	}
	all := ""
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, path))
		for _, secret := range planted {
			if bytes.Contains(data, []byte(secret)) {
				t.Errorf("%s contains the secret %s", path, secret)
			}
		}
		all += string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, kept := range []string{"name: PASSWORD\n        value: REDACTED", "- name: EMPTY\n      - name: FROM", "note: kept", "--v=4", "priority: 2000001000", `"PROXY=REDACTED"`, "the end"} {
		if !strings.Contains(all, kept) {
			t.Errorf("the logs do not contain %q", kept)
		}
	}
}

// tarOf writes an archive of one file.
func tarOf(w io.Writer, name, content string) error {
	out := tar.NewWriter(w)
	if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(content))}); err != nil {
		return err
	}
	_, err := io.WriteString(out, content)
	return errors.Join(err, out.Close())
}

// TestExportAgain checks that files that are there already become private.
func TestExportAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "c", "kubelet.log")
	if err := errors.Join(os.Mkdir(filepath.Dir(file), 0o755), os.WriteFile(file, []byte("old and longer than the new one, by far"), 0o644)); err != nil {
		t.Fatal(err)
	}
	n := logged("c", config.ControlPlane, archive(t), nil)
	if _, err := ExportLogs(t.Context(), []provider.Node{n}, dir, nil); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file)
	if info, statErr := os.Stat(file); err != nil || statErr != nil || info.Mode().Perm() != 0o600 || string(got) != "journalctl --no-pager --unit kubelet.service" {
		t.Errorf("the file is %q (%v), %v, %v", got, info.Mode(), err, statErr)
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
