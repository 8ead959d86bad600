package stages

import (
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestReadSnapshot checks that a snapshot does not contain programs that systemd runs
// temporarily on a virtual machine, or the processes that hold the lock.
func TestReadSnapshot(t *testing.T) {
	t.Parallel()
	got := readSnapshot("FILES\nab12  /etc/kubernetes/admin.conf\n" +
		"PROCESSES\n/usr/bin/kubelet\t--config=/c\t--v=2\t\n(udev-worker)\t\n/lib/systemd/systemd-hostnamed\t\n/sbin/init\t\n" +
		"flock\t--wait\t1\t/run/mkube.lock\tsh\t\nsh\t-c\t[ -e x ]; echo >/run/mkube.lock\tsh\tmkube stage next\t\ncat\t\n" +
		"SOCKETS\ntcp *:6443 kube-apiserver\ntcp *:6443 kube-apiserver\n" +
		"OBJECTS\nNode <none> n\nPod kube-system etcd\n")
	want := Snapshot{
		Files:     map[string]string{"/etc/kubernetes/admin.conf": "ab12"},
		Processes: map[string][]string{"kubelet": {"--config=/c", "--v=2"}, "init": {}},
		Sockets:   []string{"tcp *:6443 kube-apiserver"},
		Objects:   []string{"Node n", "Pod kube-system/etcd"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("it is %+v; want %+v", got, want)
	}
}

// TestSnapshotOfOddArguments checks a process whose arguments have a line break and a backslash,
// which the echo of some shells replaces. The lock's own process is an example.
func TestSnapshotOfOddArguments(t *testing.T) {
	t.Parallel()
	const program, script = "mkube-odd-arguments", `while :; do sleep 0.1; done # \n` + "\nx"
	cmd := exec.CommandContext(t.Context(), "sh")
	cmd.Args = []string{program, "-c", script}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() }) // killed by the end of the test
	out, err := exec.CommandContext(t.Context(), "sh", "-c", snapshotScript).Output()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"-c", strings.ReplaceAll(script, "\n", " ")}
	if got := readSnapshot(string(out)).Processes[program]; !slices.Equal(got, want) {
		t.Errorf("the arguments are %q; want %q", got, want)
	}
}
