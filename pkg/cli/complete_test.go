package cli

import (
	"errors"
	"strings"
	"testing"
)

func TestComplete(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"delete", "cluster", ""}, "blue\nmkube\n:4\n"},
		{[]string{"delete", "clusters", "blue", ""}, "mkube\n:4\n"},
		{[]string{"get", "nodes", "--name", ""}, "blue\nmkube\n:4\n"},
		{[]string{"get", "nodes", "-o", ""}, "wide\njson\nyaml\nname\n:4\n"},
		{[]string{"create", "cluster", "--progress", ""}, "auto\ntty\nplain\njson\n:4\n"},
		{[]string{"create", "cluster", "--addon", ""}, "metrics-server\n:4\n"},
		{[]string{"create", "cluster", "--addon", "metrics-server,"}, ":4\n"},
		{[]string{"create", "cluster", "--ignore-preflight-errors", ""}, "Provider\nImage\nConfig\nPort\nSubnet\nMount\nMemory\nDisk\nInotify\nKubeconfig\nall\n:4\n"},
		{[]string{"add", "node", "--ignore-preflight-errors", "Provider,Image,Config,Port,Subnet,Mount,Memory,Disk,"}, "Provider,Image,Config,Port,Subnet,Mount,Memory,Disk,Inotify\nProvider,Image,Config,Port,Subnet,Mount,Memory,Disk,Kubeconfig\n:4\n"},
		{[]string{"exec", ""}, "mkube-control-plane\nmkube-worker\n:4\n"},
		{[]string{"exec", "--name", "blue", ""}, "blue-control-plane\nblue-worker\n:4\n"},
		{[]string{"exec", "blue-worker", ""}, ":0\n"},
		{[]string{"load", "image", "x", "--nodes", ""}, "mkube-control-plane\nmkube-worker\n:4\n"},
		{[]string{"load", "image", "x", "--nodes", "mkube-worker,"}, "mkube-worker,mkube-control-plane\n:4\n"},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "mkube", "blue")
			if code := w.main(t.Context(), append([]string{"__complete"}, tt.args...)); code != OK {
				t.Errorf("exit code %d: %s", code, w.err.String())
			}
			if got := w.out.String(); got != tt.want {
				t.Errorf("got\n%swant\n%s", got, tt.want)
			}
		})
	}
}

func TestCompleteWithoutADaemon(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"delete cluster --name=", "exec m", "load image x --nodes="} {
		w := newWorld(t)
		w.fake.err = errors.New("the daemon is down")
		if code := w.run(t, "__complete "+args); code != OK || w.out.String() != ":4\n" {
			t.Errorf("%s: exit code %d, %q", args, code, w.out.String())
		}
	}
}

func TestCompletionScripts(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		w := newWorld(t)
		if code := w.run(t, "completion "+shell); code != OK || !strings.Contains(w.out.String(), "__complete") {
			t.Errorf("%s: exit code %d, %s", shell, code, w.err.String())
		}
	}
}
