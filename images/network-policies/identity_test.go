package networkpolicies

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	v1 "k8s.io/api/core/v1"
)

func TestIdentity(t *testing.T) {
	t.Parallel()
	static := newPod("static", "3", "here")
	static.Annotations = map[string]string{v1.MirrorPodAnnotationKey: "hash"}
	host := newPod("host", "4", "there", "10.244.1.9")
	host.Spec.HostNetwork = true
	done := newPod("done", "5", "there", "10.244.1.3")
	done.Status.Phase = v1.PodSucceeded
	failed := newPod("failed", "6", "there", "10.244.1.5")
	failed.Status.Phase = v1.PodFailed
	lost := newPod("lost", "7", "there", "10.244.1.8")
	lost.Namespace = "unknown"
	n := newNode(t,
		newPod("fresh", "1", "here"), // the kubelet has not reported its address
		newPod("moved", "2", "here", "10.244.0.9", "fd00::9"),
		static, host, done, failed, lost,
		newPod("remote", "8", "there", "10.244.1.3", "fd00:0:0:1::3"),
		newPod("first", "9", "there", "10.244.1.4"), newPod("second", "10", "elsewhere", "10.244.1.4"),
	)
	n.sandbox("10.244.0.2", "a", sandbox{"default", "fresh", "1"})
	n.sandbox("fd00::2", "a", sandbox{"default", "fresh", "1"})
	n.sandbox("10.244.0.3", "b", sandbox{"default", "static", "hash"})
	n.sandbox("10.244.0.4", "c", sandbox{"default", "fresh", "0"})
	n.sandbox("10.244.0.5", "d", sandbox{"default", "later", "11"})
	n.sandbox("10.244.0.6", "e", sandbox{"default", "fresh", ""})
	n.write(filepath.Join(n.state.identities.sandboxes.addresses, "10.244.0.7"), "")
	n.write(filepath.Join(n.state.identities.sandboxes.addresses, "10.244.0.8"), "f\r\neth0")
	for _, test := range []struct {
		name, ip, pod string
		known         bool
	}{
		{"a pod whose address is not in the API", "10.244.0.2", "fresh", true},
		{"its IPv6 address", "fd00::2", "fresh", true},
		{"a static pod", "10.244.0.3", "static", true},
		{"the predecessor of a pod, with its name", "10.244.0.4", "", false},
		{"a pod that is not in the API", "10.244.0.5", "", false},
		{"a pod without UID", "10.244.0.6", "", false},
		{"an address whose file is being written", "10.244.0.7", "", false},
		{"a pod whose network is being set up", "10.244.0.8", "", false},
		{"an address that only the API gives to a pod of this node", "10.244.0.9", "", false},
		{"an address of this node that is free", "10.244.0.10", "", false},
		{"a pod of another node, with the address of a pod that has ended", "10.244.1.3", "remote", true},
		{"its IPv6 address", "fd00:0:0:1::3", "remote", true},
		{"two pods of other nodes", "10.244.1.4", "", false},
		{"a pod that has ended", "10.244.1.5", "", false},
		{"an address of another node that is free", "10.244.1.6", "", false},
		{"a pod whose namespace is unknown", "10.244.1.8", "", false},
		{"a pod in the network of its node", "10.244.1.9", "", false},
		{"no address of pods", "192.0.2.1", "", true},
	} {
		pod, known := n.state.identities.of(netip.MustParseAddr(test.ip))
		if known != test.known || pod.GetName() != test.pod {
			t.Errorf("%s: %s is %q, known: %t; want %q, %t", test.name, test.ip, pod.GetName(), known, test.pod, test.known)
		}
		if test.pod != "" && pod.GetNamespace().GetLabels()["name"] != "default" {
			t.Errorf("%s: the labels of the namespace are %v", test.name, pod.GetNamespace().GetLabels())
		}
	}
}

// TestAddressIsUsedAgain checks that an address belongs to the pod that has it now.
func TestAddressIsUsedAgain(t *testing.T) {
	t.Parallel()
	n := newNode(t, newPod("old", "1", "here", "10.244.0.2"), newPod("new", "2", "here"))
	ip := netip.MustParseAddr("10.244.0.2")
	is := func(want string) {
		t.Helper()
		if pod, _ := n.state.identities.of(ip); pod.GetName() != want {
			t.Errorf("%s is pod %q; want %q", ip, pod.GetName(), want)
		}
	}
	n.sandbox("10.244.0.2", "a", sandbox{"default", "old", "1"})
	is("old")
	if err := os.Remove(filepath.Join(n.state.identities.sandboxes.addresses, "10.244.0.2")); err != nil {
		t.Fatal(err)
	}
	is("")
	n.sandbox("10.244.0.2", "b", sandbox{"default", "new", "2"})
	is("new")
}
