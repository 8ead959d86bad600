package networkpolicies

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/kube-network-policies/pkg/api"
)

// byAddress is the index of the pods by address. It leaves out pods that have ended: the API server
// still has their addresses, but other pods may have them by now.
const byAddress = "address"

func addresses(object any) ([]string, error) {
	pod, ok := object.(*v1.Pod)
	if !ok || pod.Spec.HostNetwork || ended(pod) {
		return nil, nil
	}
	var list []string
	for _, ip := range pod.Status.PodIPs {
		list = append(list, ip.IP)
	}
	return list, nil
}

func ended(pod *v1.Pod) bool {
	return pod.Status.Phase == v1.PodSucceeded || pod.Status.Phase == v1.PodFailed
}

// identities finds the pod that has an address. For this node, CNI's files say which pod that is, from
// the moment when the pod gets the address, before its first container starts. For the other nodes,
// the API server says it, after the kubelet there has reported it.
type identities struct {
	node, cluster []netip.Prefix // the addresses of the pods of this node, and of all pods
	sandboxes     sandboxes
	pods          cache.Indexer // with the index byAddress
	namespaces    corelisters.NamespaceLister
}

// of returns the pod that has an address. It is nil if the address is not one of pods. known is false
// if the address is one of pods, and it is not known which pod has it.
func (i identities) of(ip netip.Addr) (pod *api.PodInfo, known bool) {
	var found *v1.Pod
	switch {
	case i.local(ip):
		found = i.sandboxed(ip)
	case contains(i.cluster, ip):
		found = i.reported(ip)
	default:
		return nil, true
	}
	if found == nil {
		return nil, false
	}
	namespace, err := i.namespaces.Get(found.Namespace)
	if err != nil {
		return nil, false
	}
	return api.NewPodInfo(found, namespace.Labels, nil, ""), true
}

// local reports whether an address is one of the pods of this node.
func (i identities) local(ip netip.Addr) bool { return contains(i.node, ip) }

func contains(cidrs []netip.Prefix, ip netip.Addr) bool {
	return slices.ContainsFunc(cidrs, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// sandboxed returns the pod of this node with an address. It returns nil if the API server has not
// reported this very pod yet: a pod of the same name can be its predecessor.
func (i identities) sandboxed(ip netip.Addr) *v1.Pod {
	sandbox, ok := i.sandboxes.of(ip)
	if !ok {
		return nil
	}
	object, exists, err := i.pods.GetByKey(sandbox.namespace + "/" + sandbox.name)
	if err != nil || !exists {
		return nil
	}
	pod, ok := object.(*v1.Pod)
	// The UID of a static pod is not the UID of the pod that stands for it in the API.
	if !ok || sandbox.uid == "" || string(pod.UID) != sandbox.uid && pod.Annotations[v1.MirrorPodAnnotationKey] != sandbox.uid {
		return nil
	}
	return pod
}

// reported returns the only pod that is reported to have an address, or nil.
func (i identities) reported(ip netip.Addr) *v1.Pod {
	objects, err := i.pods.ByIndex(byAddress, ip.String())
	if err != nil || len(objects) != 1 {
		return nil
	}
	pod, _ := objects[0].(*v1.Pod)
	return pod
}

// sandboxes reads the files in which CNI keeps the addresses of a node's pods. They are always
// current: a plugin writes them before it configures an address, and removes them with the pod.
type sandboxes struct {
	// addresses is the folder of the plugin host-local, with a file for each address that is in use.
	// It contains the ID of the pod's sandbox, and the name of the network interface in the pod. See
	// https://github.com/containernetworking/plugins/tree/main/plugins/ipam/host-local/backend/disk.
	addresses string
	// results is the folder where libcni keeps the arguments and the result of each call, in
	// NETWORK-SANDBOX-INTERFACE. See cacheAdd in
	// https://github.com/containernetworking/cni/blob/main/libcni/api.go.
	results string
}

// nodeSandboxes are the folders of a node. They belong to the network "mkube" in
// /etc/cni/net.d/10-mkube.conflist.
var nodeSandboxes = sandboxes{addresses: "/run/cni-ipam/mkube", results: "/var/lib/cni/results"}

// A sandbox is the identity of a pod. containerd passes it to CNI as the arguments K8S_POD_*.
type sandbox struct{ namespace, name, uid string }

func (s sandboxes) of(ip netip.Addr) (sandbox, bool) {
	owner, err := os.ReadFile(filepath.Join(s.addresses, ip.String()))
	if err != nil {
		return sandbox{}, false
	}
	id, network, ok := strings.Cut(string(owner), "\r\n")
	if !ok {
		return sandbox{}, false // it is being written
	}
	data, err := os.ReadFile(filepath.Join(s.results, filepath.Base(s.addresses)+"-"+id+"-"+network))
	if err != nil {
		return sandbox{}, false
	}
	var result struct{ CNIArgs [][2]string }
	if err := json.Unmarshal(data, &result); err != nil {
		return sandbox{}, false
	}
	args := map[string]string{}
	for _, arg := range result.CNIArgs {
		args[arg[0]] = arg[1]
	}
	return sandbox{args["K8S_POD_NAMESPACE"], args["K8S_POD_NAME"], args["K8S_POD_UID"]}, true
}

// used returns the addresses of this node that are in use.
func (s sandboxes) used() ([]netip.Addr, error) {
	entries, err := os.ReadDir(s.addresses)
	if os.IsNotExist(err) {
		return nil, nil // no pod has had an address since the node booted
	}
	var list []netip.Addr
	for _, entry := range entries {
		if ip, err := netip.ParseAddr(entry.Name()); err == nil {
			list = append(list, ip)
		}
	}
	return list, err
}
