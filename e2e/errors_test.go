//go:build e2e

package e2e

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// wants checks that a command failed with an exit code and that its error contains all of some
// words.
func (r result) wants(t *testing.T, code int, words ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, want %d", r.code, code)
	}
	for _, word := range words {
		if !strings.Contains(r.stderr, word) {
			t.Errorf("it does not say %q", word)
		}
	}
	if t.Failed() {
		t.Log(r)
	}
}

func TestABrokenFlagOfKubeSchedulerIsReportedAtOnce(t *testing.T) {
	before := leftovers(t)
	r := try(t, "apiVersion: mkube.dev/v1alpha1\nkind: Cluster\nextraArgs:\n  kube-scheduler: {logging-format: nonsense}\n",
		"create", "cluster", "--name", "e2e-broken", "--config", "-", "--progress", "plain")
	r.wants(t, 1, "kube-scheduler", "keeps crashing", "Unsupported log format")
	if r.took > 40*time.Second {
		t.Errorf("it took %s: the crash was waited out", r.took)
	}
	if after := leftovers(t); !slices.Equal(before, after) {
		t.Errorf("left behind: %v, before: %v", after, before)
	}
}

// TestRetain checks that a cluster that does not come up stays, for inspection.
func TestRetain(t *testing.T) {
	t.Parallel()
	const name = "e2e-retained"
	t.Cleanup(func() { remove(t, name) })
	try(t, "apiVersion: mkube.dev/v1alpha1\nkind: Cluster\nextraArgs:\n  kube-scheduler: {logging-format: nonsense}\n",
		"create", "cluster", "--name", name, "--config", "-", "--retain", "--progress", "plain").wants(t, 1, "Unsupported log format")
	if out := mkube(t, "get", "clusters"); !strings.Contains(out, name+"\n") {
		t.Errorf("it is not listed:\n%s", out)
	}
	dir := strings.TrimSpace(mkube(t, "export", "logs", t.TempDir(), "--name", name))
	if logs, err := filepath.Glob(filepath.Join(dir, name+"-control-plane/pods/kube-system_kube-scheduler-*/kube-scheduler/*.log")); err != nil || len(logs) == 0 {
		t.Errorf("the logs have nothing of the component that failed: %v", err)
	}
	if out := mkube(t, "exec", "control-plane", "--name", name, "--", "crictl", "ps", "--all"); !strings.Contains(out, "kube-scheduler") {
		t.Errorf("on its node there are\n%s", out)
	}
}

func TestATimeoutNamesTheComponentThatWasLate(t *testing.T) {
	r := try(t, "", "create", "cluster", "--name", "e2e-late", "--wait", "5s", "--progress", "plain")
	r.wants(t, 1, "gave up after", "not ready")
}

func TestABadConfigurationListsEveryMistakeAtOnce(t *testing.T) {
	data, err := os.ReadFile("testdata/bad.yaml")
	if err != nil {
		t.Fatal(err)
	}
	r := try(t, string(data), "create", "cluster", "--config", "-")
	r.wants(t, 2,
		`:3:`, `:6:`, `:8:`, `:9:`,
		`did you mean "podSubnet"?`, "worker", "kubeProxyMode",
	)
}

func TestPreflightNamesWhatWillNotWork(t *testing.T) {
	before := leftovers(t)
	t.Run("a taken port", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		_, port, _ := net.SplitHostPort(l.Addr().String())
		r := try(t, "apiVersion: mkube.dev/v1alpha1\nkind: Cluster\nnetworking:\n  apiServerPort: "+port+"\n",
			"create", "cluster", "--name", "e2e-preflight", "--config", "-")
		r.wants(t, 1, "port "+port, "is taken")
	})
	t.Run("a missing node image and a clashing subnet, both at once", func(t *testing.T) {
		r := try(t, "apiVersion: mkube.dev/v1alpha1\nkind: Cluster\nnetworking:\n  podSubnet: 172.17.0.0/16\n",
			"create", "cluster", "--name", "e2e-preflight", "--image", "nowhere/none:1", "--config", "-")
		r.wants(t, 1, "nowhere/none:1", "mkube build node-image", "podSubnet", "overlaps")
	})
	t.Run("an unreachable daemon", func(t *testing.T) {
		t.Setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
		try(t, "", "create", "cluster").wants(t, 1, "/nowhere/docker.sock", "DOCKER_HOST")
	})
	if after := leftovers(t); !slices.Equal(before, after) {
		t.Errorf("left behind: %v, before: %v", after, before)
	}
}

// TestAPodThatNeverRanIsExplained checks the error if there is no container, and only the kubelet
// knows the reason.
func TestAPodThatNeverRanIsExplained(t *testing.T) {
	t.Parallel()
	c := create(t, "e2e-never-ran", "", "--until", "kubelet")
	if r := c.sh(t, `mv "$(command -v runc)" /root/`); r.code != 0 {
		t.Fatal(r)
	}
	r := try(t, "", "stage", "next", "--name", c.name, "--wait", "15s", "--progress", "plain")
	r.wants(t, 1, "etcd on "+c.name+"-control-plane: not ready", "gave up after 15s", "the kubelet's last message about it", "CreatePodSandbox", "runc")
}
