//go:build e2e

package e2e

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// stages returns the names of a cluster's components, and how many of them are up.
func (c cluster) stages(t *testing.T) (names []string, there int) {
	t.Helper()
	var items []struct{ Name, State, Reason string }
	if err := json.Unmarshal([]byte(mkube(t, "stage", "--name", c.name, "-o", "json")), &items); err != nil {
		t.Fatal(err)
	}
	for _, i := range items {
		names = append(names, i.Name)
		switch i.State {
		case "ready":
			there++
		case "not ready":
			t.Errorf("%s is not ready: %s", i.Name, i.Reason)
		}
	}
	return names, there
}

// TestStages builds a cluster (at night, one component at a time), removes all components again,
// and continues after Ctrl-C. By day, the tour tries each component when it comes up.
func TestStages(t *testing.T) {
	t.Parallel()
	c := create(t, "e2e-stages", "", "--until", "containerd")
	names, there := c.stages(t)
	if there != 1 || len(names) < 13 {
		t.Fatalf("of %q, %d are there", names, there)
	}
	last := names[len(names)-1]
	for i := range names {
		if !nightly {
			break
		}
		if i > 0 {
			mkube(t, "stage", "next", "--name", c.name)
		}
		if r := try(t, "", "stage", "check", "--name", c.name); r.code != 0 || strings.Count(r.stdout, "works ") != i+1 || strings.Count(r.stdout, "not yet ") != len(names)-i-1 {
			t.Errorf("at the stage of %s: %s", names[i], r)
		}
	}
	if !nightly {
		c.complete(t, names)
	}
	try(t, "", "stage", "next", "--name", c.name).wants(t, 1, "is complete", last)
	for range names[1:] {
		mkube(t, "stage", "back", "--name", c.name)
	}
	try(t, "", "stage", "back", "--name", c.name).wants(t, 1, "containerd is the first component", "mkube delete cluster")
	left := mkube(t, "exec", c.name+"-control-plane", "--", "sh", "-c", "crictl ps --quiet; ls -A /etc/cni/net.d /etc/kubernetes/manifests | grep -v :; find /etc/kubernetes -type f; ls -d /var/lib/etcd /var/lib/kubelet 2>/dev/null; true")
	if strings.TrimSpace(left) != "" {
		t.Errorf("when all was taken away, there are still:\n%s", left)
	}
	mkube(t, "stage", "next", "--name", c.name, "--until", "kubelet")
	if open := mkube(t, "exec", c.name+"-control-plane", "--", "ss", "-Hltn", "sport = :10248 or sport = :10250"); !strings.Contains(open, ":10248") || strings.Contains(open, ":10250") {
		t.Errorf("a kubelet without an API server must serve its health only; it listens at\n%s", open)
	}
	interruptedStage(t, c)
	if nightly {
		c.complete(t, names)
	}
}

// complete brings up all missing components with one command.
func (c cluster) complete(t *testing.T, names []string) {
	t.Helper()
	mkube(t, "stage", "next", "--name", c.name, "--until", names[len(names)-1])
	if _, there := c.stages(t); there != len(names) {
		t.Errorf("%d of %d components are there", there, len(names))
	}
	try(t, "", "stage", "check", "--name", c.name).wants(t, 0)
}

// TestStageMistakes checks that the error about an unknown component suggests the one that was
// meant.
func TestStageMistakes(t *testing.T) {
	for _, args := range [][]string{
		{"create", "cluster", "--until", "kube-schedler"}, {"stage", "next", "--until", "kube-schedler"}, {"explain", "kube-schedler"},
	} {
		try(t, "", args...).wants(t, 2, `unknown component "kube-schedler"`, `did you mean "kube-scheduler"?`)
	}
	for _, args := range [][]string{{"stage"}, {"stage", "next"}, {"stage", "back"}, {"stage", "check"}, {"break"}, {"fix"}} {
		try(t, "", append(args, "--name", "e2e-nowhere")...).wants(t, 1, `cluster "e2e-nowhere" does not exist`, "mkube create cluster --name e2e-nowhere")
	}
}

// TestExplainNeedsNoCluster checks that explain works without an engine.
func TestExplainNeedsNoCluster(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix:///nowhere.sock")
	for _, name := range strings.Fields(mkube(t, "graph", "-o", "dot")) {
		name = strings.Trim(name, `";`)
		if !slices.Contains([]string{"kubelet", "etcd", "kube-apiserver", "coredns"}, name) {
			continue
		}
		if out := mkube(t, "explain", name); !strings.Contains(out, "PORTS") || !strings.Contains(out, "## What breaks without it") {
			t.Errorf("explain %s says\n%s", name, out)
		}
	}
}

// onEveryNode lists the faults of components that run on workers, too.
var onEveryNode = []string{
	"runtime-stopped", "network-missing", "wrong-pod-range", "kubelet-stopped", "kubelet-misconfigured", "kubelet-certificate-expired",
	"policies-not-enforced", "services-lead-nowhere",
}

// TestFaults breaks a cluster in two ways (at night, in every way, on each role of node), checks
// that break --check reports it, fixes it, and checks again.
func TestFaults(t *testing.T) {
	t.Parallel()
	faults := strings.Fields(mkube(t, "break", "--list", "-o", "name"))
	if len(faults) < 12 {
		t.Fatalf("there are only %d faults: %q", len(faults), faults)
	}
	c := create(t, "e2e-faults", "", "--workers", "1")
	try(t, "", "break", "--check", "--name", c.name).wants(t, 0, "Nothing is broken")
	for i, f := range faults {
		if i%12 == 1 || nightly { // of the others, etcd-full alone takes two minutes
			c.breakAndFix(t, f, "control-plane")
		}
		if slices.Contains(onEveryNode, f) && (i%12 == 0 || nightly) {
			c.breakAndFix(t, f, "worker")
		}
	}
	try(t, "", "break", "scheduler-stopped", "--node", "worker", "--name", c.name).wants(t, 1, "kube-scheduler does not run on e2e-faults-worker")
	try(t, "", "break", "scheduler-stoped", "--name", c.name).wants(t, 2, `did you mean "scheduler-stopped"?`)
	// Fixed by hand, without mkube fix.
	mkube(t, "break", "scheduler-stopped", "--name", c.name)
	mkube(t, "exec", c.name+"-control-plane", "--", "mv", "/root/kube-scheduler.yaml", "/etc/kubernetes/manifests/")
	eventually(t, "a fault that was fixed by hand is seen as fixed", func() (bool, string) {
		r := try(t, "", "break", "--check", "--name", c.name)
		return r.code == 0, r.String()
	})
}

// breakAndFix causes a fault, on a node unless it is in the API, and fixes it again.
func (c cluster) breakAndFix(t *testing.T, fault, node string) {
	t.Helper()
	t.Run(fault+" on "+node, func(t *testing.T) {
		args := []string{"break", fault, "--name", c.name, "--node", node}
		r := try(t, "", args...)
		if strings.Contains(r.stderr, "is in the API, and not on a node") {
			r = try(t, "", args[:4]...)
		}
		r.wants(t, 0, "Something is broken.")
		if r := try(t, "", "break", "--check", "--name", c.name); r.code != 1 || !strings.Contains(r.stdout, "\n  - ") {
			t.Errorf("broken, it is not seen as broken: %s", r)
		}
		try(t, "", "fix", "--name", c.name).wants(t, 0, fault, "Fixed.")
		try(t, "", "break", "--check", "--name", c.name).wants(t, 0, "Nothing is broken")
	})
}
