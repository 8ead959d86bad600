package networkpolicies

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	v1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
)

// A node is the node "here" of a cluster. Its pods have the addresses 10.244.0.0/24 and fd00::/64.
type node struct {
	*testing.T
	client *fake.Clientset
	state  *state
}

// newNode returns a node of a cluster with these objects, when the informers know them.
func newNode(t *testing.T, objects ...runtime.Object) *node {
	t.Helper()
	for _, name := range []string{"default", "closed"} {
		objects = append(objects, &v1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"name": name}}})
	}
	n := &node{T: t, client: fake.NewClientset(objects...)}
	factory := informers.NewSharedInformerFactory(n.client, 0)
	var err error
	n.state, err = newState(factory, "here", cidrs("10.244.0.0/24", "fd00::/64"), cidrs("10.244.0.0/16", "fd00::/56"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	n.state.identities.sandboxes = sandboxes{addresses: filepath.Join(dir, "mkube"), results: filepath.Join(dir, "results")}
	factory.Start(t.Context().Done())
	if err := n.state.synced(t.Context()); err != nil {
		t.Fatal(err)
	}
	return n
}

func cidrs(list ...string) []netip.Prefix {
	var parsed []netip.Prefix
	for _, s := range list {
		parsed = append(parsed, netip.MustParsePrefix(s))
	}
	return parsed
}

// sandbox writes the files that CNI writes when a pod gets an address.
func (n *node) sandbox(ip, id string, pod sandbox) {
	n.Helper()
	s := n.state.identities.sandboxes
	n.write(filepath.Join(s.addresses, ip), id+"\r\neth0")
	n.write(filepath.Join(s.results, "mkube-"+id+"-eth0"), fmt.Sprintf(
		`{"kind": "cniCacheV1", "containerId": %q, "config": "e30=", "ifName": "eth0", "networkName": "mkube", "netns": "/var/run/netns/x",
		"cniArgs": [["IgnoreUnknown", "1"], ["K8S_POD_NAMESPACE", %q], ["K8S_POD_NAME", %q], ["K8S_POD_INFRA_CONTAINER_ID", %q], ["K8S_POD_UID", %q]],
		"result": {"cniVersion": "1.0.0", "ips": [{"address": "%s/24"}]}}`, id, pod.namespace, pod.name, id, pod.uid, ip))
}

func (n *node) write(path, data string) {
	n.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		n.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		n.Fatal(err)
	}
}

// newPod returns a pod in the namespace default, with its name as its label app. ips are the addresses
// that the kubelet has reported.
func newPod(name, uid, node string, ips ...string) *v1.Pod {
	pod := &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(uid), Labels: map[string]string{"app": name}},
		Spec:       v1.PodSpec{NodeName: node},
	}
	for _, ip := range ips {
		pod.Status.PodIPs = append(pod.Status.PodIPs, v1.PodIP{IP: ip})
	}
	return pod
}

// isolate returns a policy that isolates the pods with a label app, or all pods of the namespace
// default, and allows what its rules say.
func isolate(app string, egress ...networkingv1.NetworkPolicyEgressRule) *networkingv1.NetworkPolicy {
	p := &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "isolate-" + app},
		Spec: networkingv1.NetworkPolicySpec{
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}, Egress: egress,
		},
	}
	if app != "" {
		p.Spec.PodSelector.MatchLabels = map[string]string{"app": app}
	}
	return p
}
