package networkpolicies

import (
	"fmt"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// become waits for changes until the exempt addresses are as wanted. "none" means that there is no
// policy.
func (n *node) become(why, want string) {
	n.Helper()
	limit := time.After(10 * time.Second)
	for {
		r, err := n.state.rules()
		if err != nil {
			n.Fatal(err)
		}
		got := "none"
		if r.policies {
			got = fmt.Sprint(r.exempt)
		}
		if got == want {
			return
		}
		select {
		case <-n.state.changed:
		case <-limit:
			n.Fatalf("%s: exempt is %s; want %s", why, got, want)
		}
	}
}

// TestExempt checks which addresses are exempt, and that each change of that is noticed.
func TestExempt(t *testing.T) {
	t.Parallel()
	free, selected := newPod("free", "1", "here"), newPod("selected", "2", "here")
	n := newNode(t, free, selected, newPod("remote", "3", "there", "10.244.1.2"))
	pods, policies := n.client.CoreV1().Pods("default"), n.client.NetworkingV1().NetworkPolicies("default")
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	n.become("no policy", "none")
	must(policies.Create(t.Context(), isolate("selected"), metav1.CreateOptions{}))
	n.become("no pod has an address", "[]")
	n.sandbox("10.244.0.2", "a", sandbox{"default", "free", "1"})
	n.sandbox("fd00::2", "a", sandbox{"default", "free", "1"})
	n.sandbox("10.244.0.3", "b", sandbox{"default", "selected", "2"})
	n.sandbox("10.244.0.4", "c", sandbox{"default", "unknown", "4"})
	n.write(n.state.identities.sandboxes.addresses+"/last_reserved_ip.0", "10.244.0.4")

	free.Status.PodIPs = []v1.PodIP{{IP: "10.244.0.2"}, {IP: "fd00::2"}}
	must(pods.UpdateStatus(t.Context(), free, metav1.UpdateOptions{}))
	n.become("the kubelet reports the addresses", "[10.244.0.2 fd00::2]")
	selected.Labels = map[string]string{"app": "other"}
	must(pods.Update(t.Context(), selected, metav1.UpdateOptions{}))
	n.become("a pod loses its label", "[10.244.0.2 10.244.0.3 fd00::2]")
	free.Labels = map[string]string{"app": "selected"}
	must(pods.Update(t.Context(), free, metav1.UpdateOptions{}))
	n.become("a pod gets a label", "[10.244.0.3]")
	selected.Status.Phase = v1.PodSucceeded
	must(pods.UpdateStatus(t.Context(), selected, metav1.UpdateOptions{}))
	n.become("a pod ends", "[]")

	must(pods.Create(t.Context(), newPod("third", "5", "here"), metav1.CreateOptions{}))
	n.sandbox("10.244.0.5", "d", sandbox{"default", "third", "5"})
	n.become("a pod is created", "[10.244.0.5]")
	all := isolate("selected")
	all.Spec.PodSelector = metav1.LabelSelector{}
	must(policies.Update(t.Context(), all, metav1.UpdateOptions{}))
	n.become("the policy selects all pods", "[]")
	must(nil, policies.Delete(t.Context(), all.Name, metav1.DeleteOptions{}))
	n.become("the policy is deleted", "none")

	closed := isolate("")
	closed.Namespace = "closed"
	must(n.client.NetworkingV1().NetworkPolicies("closed").Create(t.Context(), closed, metav1.CreateOptions{}))
	n.become("a policy selects all pods of another namespace", "[10.244.0.2 10.244.0.5 fd00::2]")
	must(nil, pods.Delete(t.Context(), "third", metav1.DeleteOptions{}))
	n.become("a pod is deleted, and still runs", "[10.244.0.2 fd00::2]")
}

func TestChangesWithoutEffect(t *testing.T) {
	t.Parallel()
	pod, running := newPod("a", "1", "here", "10.244.0.2"), newPod("a", "1", "here", "10.244.0.2")
	running.Status.Phase = v1.PodRunning
	if !samePod(pod, running) {
		t.Error("the phase of a pod that runs changes the rules")
	}
	policy, ruled := isolate("a"), isolate("a", toLabels("b"))
	if !samePolicy(policy, ruled) {
		t.Error("a rule of a policy, which only the program reads, changes the iptables rules")
	}
}
