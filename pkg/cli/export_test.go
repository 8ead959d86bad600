package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mkube/mkube/pkg/provider"
)

func TestExportKubeconfig(t *testing.T) {
	t.Parallel()
	for flags, server := range map[string]string{"": "127.0.0.1:36443", " --internal": "10.89.0.2:6443"} {
		w := newWorld(t, "red")
		keys := w.opens(t)
		file := filepath.Join(w.home, ".kube", "config")
		w.want(t, w.run(t, "export kubeconfig --name red"+flags), OK, "", "The current context of "+file+" is now mkube-red.\n")
		wantKubeconfig(t, readFile(t, file), "red", server, keys)
	}
}

func TestExportKubeconfigOfABrokenNode(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "red")
	w.fake.clusters["red"][0].(*fakeNode).script = map[string]func(provider.Cmd) error{"tar": fails(1, "tar: no such file")}
	w.want(t, w.run(t, "export kubeconfig --name red"), Failed, "",
		"Error: reading the configuration and keys of cluster \"red\" on red-control-plane: running tar -C / -cf - etc/mkube on a-node: exit code 1: tar: no such file\n")
}

func TestExportLogs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "red")
	for _, n := range w.fake.clusters["red"] {
		n.(*fakeNode).script["tar"], n.(*fakeNode).script["kubectl get"] = says(""), says("{}")
	}
	dir := filepath.Join(w.home, "logs")
	code := w.run(t, "export logs --name red "+dir)
	w.settle()
	w.want(t, code, OK, dir+"\n", "logs: ready after T\nlogs: starting (of the nodes and their pods)\n")
	if got := readFile(t, filepath.Join(dir, "red-worker", "console.log")); got != "console of red-worker\n" {
		t.Errorf("the console is %q", got)
	}
	if got := readFile(t, filepath.Join(dir, "mkube-version.txt")); got != version()+"\n" {
		t.Errorf("the version is %q", got)
	}
	if info, err := os.Stat(filepath.Join(dir, "mkube-version.txt")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the version's file is %v, %v; want the mode 0600", info, err)
	}
}

func TestExportLogsOfAHalfBrokenCluster(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "red")
	control := w.fake.clusters["red"][0].(*fakeNode)
	control.script["tar"], control.script["kubectl get pods"] = says(""), fails(1, "no server")
	control.script["kubectl get nodes"], control.script["kubectl get events"] = says("{}"), says("{}")
	w.fake.clusters["red"][1].(*fakeNode).script["tar"] = says("")
	dir := filepath.Join(w.home, "logs")
	code := w.run(t, "export logs --name red "+dir)
	w.settle()
	w.want(t, code, OK, dir+"\n",
		"logs: ready after T\nlogs: starting (of the nodes and their pods)\n"+
			"Warning: exporting cluster/pods.yaml: running kubectl get pods --all-namespaces --output json --request-timeout 10s on a-node: exit code 1: no server\n")
}

// TestExportLogsOfNothing checks that export fails if it can write no file, with the reason for
// each.
func TestExportLogsOfNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "red")
	w.fake.clusters["red"] = []provider.Node{deadNode{w.fake.clusters["red"][1].(*fakeNode)}}
	code := w.run(t, "export logs --name red "+filepath.Join(w.home, "logs"))
	if lines := strings.Count(w.err.String(), "Error: exporting red-worker/"); code != Failed || w.out.Len() > 0 || lines != 7 {
		t.Errorf("exit code %d, %d errors: %s", code, lines, w.err.String())
	}
}

// TestExportLogsToATemporaryFolder checks that the default folder is a new one each time.
func TestExportLogsToATemporaryFolder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "red")
	if code := w.run(t, "export logs --name red"); code != OK {
		t.Fatalf("exit code %d: %s", code, w.err.String())
	}
	dir := strings.TrimSpace(w.out.String())
	defer os.RemoveAll(dir)
	if !strings.HasPrefix(filepath.Base(dir), "mkube-red-logs-") {
		t.Errorf("the folder is %q", dir)
	}
	readFile(t, filepath.Join(dir, "red-control-plane", "kubelet.log"))
}

func TestExportLogsWhereNothingCanBeWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "red")
	file := filepath.Join(w.home, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w.want(t, w.run(t, "export logs --name red "+file), Failed, "", "Error: mkdir "+file+": not a directory\n")
}

// deadNode is a node that does not run.
type deadNode struct{ *fakeNode }

var errOff = errors.New("the node is off")

func (deadNode) Run(context.Context, provider.Cmd) error { return errOff }
func (deadNode) Logs(context.Context, io.Writer) error   { return errOff }
