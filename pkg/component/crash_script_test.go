package component

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// script runs one of the scripts for nodes in a shell of the host, and returns its output. It
// uses a folder instead of /var/log/pods, and a crictl that prints its arguments. Logs with a
// path that begins with "old " are from before the node's boot.
func script(t *testing.T, text, name string, logs map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	boot := time.Now().Add(-time.Minute)
	env := filepath.Join(dir, "kubelet.env")
	if err := errors.Join(os.WriteFile(env, nil, 0o644), os.Chtimes(env, boot, boot)); err != nil {
		t.Fatal(err)
	}
	for path, content := range logs {
		path, old := strings.CutPrefix(path, "old ")
		path = filepath.Join(dir, "pods", path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if earlier := boot.Add(-time.Minute); old {
			if err := os.Chtimes(path, earlier, earlier); err != nil {
				t.Fatal(err)
			}
		}
	}
	crictl := filepath.Join(dir, "crictl")
	if err := os.WriteFile(crictl, []byte("#!/bin/sh\necho crictl \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", strings.NewReplacer("/var/log/pods", dir+"/pods", "/run/mkube", dir).Replace(text), "sh", name)
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

func TestRestartedScript(t *testing.T) {
	t.Parallel()
	const pod = "kube-system_etcd-mkube-control-plane_abc/etcd/"
	const asked = "crictl ps --all --name ^etcd$ --output json\n"
	for name, test := range map[string]struct {
		logs map[string]string
		want string
	}{
		"no pod":                {nil, ""},
		"never restarted":       {map[string]string{pod + "0.log": ""}, ""},
		"restarted":             {map[string]string{pod + "0.log": "", pod + "1.log": ""}, asked},
		"its first log is gone": {map[string]string{pod + "1.log": ""}, asked},
		"restarted often":       {map[string]string{pod + "11.log": "", pod + "12.log": ""}, asked},
		"booted again":          {map[string]string{"old " + pod + "3.log": "", pod + "4.log": ""}, ""},
		"another restarted":     {map[string]string{pod + "0.log": "", "kube-system_etcd-x_abc/else/1.log": ""}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := script(t, restarted, "etcd", test.logs); got != test.want {
				t.Errorf("the script says %q; want %q", got, test.want)
			}
		})
	}
}

func TestNewestScript(t *testing.T) {
	t.Parallel()
	const pod = "kube-system_etcd-mkube-control-plane_abc/etcd/"
	const stamp = "2026-08-01T10:00:00.000000000Z stderr F "
	var long strings.Builder
	for range 30 {
		long.WriteString(stamp + "a line  of\tit\n")
	}
	for name, test := range map[string]struct {
		logs map[string]string
		want string
	}{
		"no pod":           {nil, ""},
		"one line":         {map[string]string{pod + "0.log": stamp + "panic: no\n"}, "panic: no\n"},
		"its last 20":      {map[string]string{pod + "3.log": long.String()}, strings.Repeat("a line  of\tit\n", 20)},
		"of no other":      {map[string]string{"kube-system_etcd-x_abc/else/0.log": stamp + "x\n"}, ""},
		"an empty log":     {map[string]string{pod + "0.log": ""}, ""},
		"a name like it":   {map[string]string{"kube-system_etcd2-x_abc/etcd2/0.log": stamp + "x\n"}, ""},
		"another kubelets": {map[string]string{"default_etcd-x_abc/etcd/0.log": stamp + "x\n"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := script(t, newest, "etcd", test.logs); got != test.want {
				t.Errorf("the script says %q; want %q", got, test.want)
			}
		})
	}
}

func TestComplaintsScript(t *testing.T) {
	t.Parallel()
	const journal = `I1126 15:02:03.000001 7 kubelet.go:1] "Adding pod" pod="kube-system/etcd-node"
E1126 15:02:04.000001 7 pod_workers.go:2] "Error syncing pod" err="the first" pod="kube-system/etcd-node" podUID="1"
E1126 15:02:05.000001 7 pod_workers.go:2] "Error syncing pod" err="failed [0] to create a sandbox" pod="kube-system/etcd-node" podUID="1"
E1126 15:02:06.000001 7 pod_workers.go:2] "Error syncing pod" err="another's" pod="kube-system/etcd-node2" podUID="2"
E1126 15:02:07.000001 7 file.go:3] "Could not process manifest file" path="/etc/kubernetes/manifests/thing.yaml" err="no pod"
`
	for name, want := range map[string]string{
		"etcd":  `"Error syncing pod" err="failed [0] to create a sandbox" pod="kube-system/etcd-node" podUID="1"`,
		"thing": `"Could not process manifest file" path="/etc/kubernetes/manifests/thing.yaml" err="no pod"`,
		"else":  "",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "journalctl"), []byte("#!/bin/sh\ncat <<'EOF'\n"+journal+"EOF\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "sh", "-c", complaints, "sh", name, "node")
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		if got := strings.TrimSpace(string(out)); got != want || err != nil {
			t.Errorf("of %s the script says %q, %v; want %q", name, got, err, want)
		}
	}
}
