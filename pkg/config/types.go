// Package config defines the cluster that a user requests: its types, their defaults, their
// validation, and the strict loading of its YAML file.
package config

import "k8s.io/apimachinery/pkg/api/resource"

// APIVersion and Kind are the first two fields of every configuration file.
const (
	APIVersion = "mkube.dev/v1alpha1"
	Kind       = "Cluster"
)

// Cluster is a cluster as its user requests it. The zero value, after Default, is one control-plane
// node with every component. YAML and JSON distinguish an empty list from a missing one, because an
// empty list of taints means "none".
type Cluster struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	// Name is the name of the cluster, and the prefix of the names of its nodes. If empty, it is
	// "mkube".
	Name string `json:"name,omitempty"`
	// Nodes are the nodes of the cluster, in order. If empty, there is one control plane. Several
	// control planes get a load balancer if none is listed.
	Nodes      []Node     `json:"nodes,omitzero"`
	Networking Networking `json:"networking,omitzero"`
	// FeatureGates are set for every Kubernetes component.
	FeatureGates map[string]bool `json:"featureGates,omitzero"`
	// RuntimeConfig enables and disables API versions (kube-apiserver's --runtime-config), for
	// example "api/alpha": "true".
	RuntimeConfig map[string]string `json:"runtimeConfig,omitzero"`
	// ExtraArgs are flags by component name, in addition to mkube's own or instead of them:
	// {"kube-scheduler": {"v": "4"}}.
	ExtraArgs map[string]map[string]string `json:"extraArgs,omitzero"`
	// ExtraFiles are files that the static pods of components need, by component name, see StaticPods.
	// Every node of the component gets the file, and its pod mounts it read-only.
	ExtraFiles map[string][]ExtraFile `json:"extraFiles,omitzero"`
	// ExtraVolumes are paths of a node that the static pods of components mount, by component name.
	ExtraVolumes map[string][]ExtraVolume `json:"extraVolumes,omitzero"`
	// CloudControllerManager defaults to true if nil. If false, no Service of type LoadBalancer
	// gets an address, and no node gets a provider ID.
	CloudControllerManager *bool `json:"cloudControllerManager,omitempty"`
	// ContainerdConfigPatches are TOML documents that are merged into the configuration of
	// containerd, in order.
	ContainerdConfigPatches []string `json:"containerdConfigPatches,omitzero"`
	// KubeProxyConfigPatches are YAML documents that are merged into the configuration file of
	// kube-proxy, in order.
	KubeProxyConfigPatches []string `json:"kubeProxyConfigPatches,omitzero"`
	// Addons are the optional components that the cluster has, see Addons.
	Addons []string `json:"addons,omitzero"`
	// Proxy is the proxy through which nodes pull images. If nil, it is that of mkube's environment
	// when the cluster is created. If all its fields are empty, there is none.
	Proxy *Proxy `json:"proxy,omitempty"`
}

// Proxy is how nodes reach registries. The fields have the meaning of the environment variables
// HTTP_PROXY, HTTPS_PROXY and NO_PROXY, see
// https://pkg.go.dev/golang.org/x/net/http/httpproxy#Config.
type Proxy struct {
	HTTPProxy  string `json:"httpProxy,omitempty"`
	HTTPSProxy string `json:"httpsProxy,omitempty"`
	// NoProxy lists hosts, domains and ranges of addresses that are reached directly, separated by
	// commas. mkube adds the networks and the domain of the cluster.
	NoProxy string `json:"noProxy,omitempty"`
}

// Role is the purpose of a node.
type Role string

const (
	// ControlPlane nodes run etcd and the components of the control plane.
	ControlPlane Role = "control-plane"
	// Worker nodes run only pods.
	Worker Role = "worker"
	// LoadBalancer nodes forward to the API servers of several control planes. Such a node is not a
	// node of Kubernetes. Default adds it to a cluster that needs one.
	LoadBalancer Role = "external-load-balancer"
)

// Node is one node of a cluster.
type Node struct {
	// Role defaults to ControlPlane if empty.
	Role Role `json:"role,omitempty"`
	// Name is the node's name as a host and in Kubernetes. If empty, NodeNames derives it from the
	// cluster's name and the role.
	Name string `json:"name,omitempty"`
	// Address is the node's IPv4 address on the cluster's network, which only virtual machines
	// support. If empty, it is the next free one.
	Address string `json:"address,omitempty"`
	// Image is the node image. If empty, it is the image of mkube's Kubernetes version.
	Image string `json:"image,omitempty"`
	// Labels are set on the Kubernetes node when it registers.
	Labels map[string]string `json:"labels,omitzero"`
	// Taints are set on the Kubernetes node when it registers. If nil, they are the default of the
	// role. An empty list means none.
	Taints []Taint `json:"taints,omitzero"`
	// ExtraMounts are folders and files of the host that are mounted in the node.
	ExtraMounts []Mount `json:"extraMounts,omitzero"`
	// ExtraPortMappings are ports of the host that forward to ports of the node.
	ExtraPortMappings []PortMapping `json:"extraPortMappings,omitzero"`
	// Resources limit what the node may use of the host. If zero, there is no limit.
	Resources Resources `json:"resources,omitzero"`
	// KubeletConfigPatches are YAML documents merged into the kubelet's configuration
	// file on this node, in order.
	KubeletConfigPatches []string `json:"kubeletConfigPatches,omitzero"`
}

// Resources are limits of a node, which the kubelet reports as the node's capacity.
// Both are quantities as Kubernetes writes them, see
// https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/.
type Resources struct {
	// CPUs is a quantity such as "2" or "1500m". If empty, there is no limit.
	CPUs string `json:"cpus,omitempty"`
	// Memory is a quantity such as "2Gi". If empty, there is no limit.
	Memory string `json:"memory,omitempty"`
}

// MilliCPUs returns the CPUs in thousandths, 0 for no limit. The resources must be valid.
func (r Resources) MilliCPUs() int64 { return quantity(r.CPUs).MilliValue() }

// MemoryBytes returns the memory in bytes, 0 for no limit. The resources must be valid.
func (r Resources) MemoryBytes() int64 { return quantity(r.Memory).Value() }

func quantity(s string) *resource.Quantity {
	q, err := resource.ParseQuantity(s)
	if err != nil {
		return new(resource.Quantity)
	}
	return &q
}

// Taint keeps pods off a node, see
// https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/.
type Taint struct {
	Key   string `json:"key"`
	Value string `json:"value,omitempty"`
	// Effect is NoSchedule, PreferNoSchedule or NoExecute.
	Effect string `json:"effect"`
}

// Mount is a path of the host that is mounted in a node.
type Mount struct {
	// HostPath may be relative to the working folder of mkube.
	HostPath string `json:"hostPath"`
	// ContainerPath is an absolute path in the node.
	ContainerPath string `json:"containerPath"`
	ReadOnly      bool   `json:"readOnly,omitempty"`
	// Propagation is None (the default), HostToContainer or Bidirectional.
	Propagation string `json:"propagation,omitempty"`
}

// ExtraFile is a file of a component's static pod. Either HostPath or Content is set.
type ExtraFile struct {
	// HostPath is a file of the host on which mkube runs. It may be relative to the working folder
	// of mkube. WithFiles replaces it with Content.
	HostPath string `json:"hostPath,omitempty"`
	// Content is the text of the file.
	Content *string `json:"content,omitempty"`
	// Path is the absolute path of the file, on the node and in the pod.
	Path string `json:"path"`
}

// ExtraVolume is a path of a node that a component's static pod mounts. The fields are those of
// kubeadm's extraVolumes, see
// https://kubernetes.io/docs/reference/config-api/kubeadm-config.v1beta4/#kubeadm-k8s-io-v1beta4-HostPathMount.
type ExtraVolume struct {
	// Name is the name of the volume in the pod. If empty, it is "extra-volume-" and a number.
	Name string `json:"name,omitempty"`
	// HostPath is an absolute path of the node.
	HostPath string `json:"hostPath"`
	// MountPath is an absolute path in the pod.
	MountPath string `json:"mountPath"`
	ReadOnly  bool   `json:"readOnly,omitempty"`
	// PathType is a type of hostPath volumes, such as DirectoryOrCreate. If empty, nothing is
	// checked. See https://kubernetes.io/docs/concepts/storage/volumes/#hostpath-volume-types.
	PathType string `json:"pathType,omitempty"`
}

// PortMapping is a port of the host that forwards to a port of a node.
type PortMapping struct {
	// ContainerPort is the port of the node, from 1 to 65535.
	ContainerPort int32 `json:"containerPort"`
	// HostPort is the port of the host. If 0, mkube chooses a free port.
	HostPort int32 `json:"hostPort,omitempty"`
	// ListenAddress is an address of the host. If empty, it has the same default as
	// APIServerAddress.
	ListenAddress string `json:"listenAddress,omitempty"`
	// Protocol is TCP (the default), UDP or SCTP.
	Protocol string `json:"protocol,omitempty"`
}

// ProxyMode is the way in which kube-proxy implements Services, or "none" for a cluster without
// kube-proxy, see https://kubernetes.io/docs/reference/networking/virtual-ips/.
type ProxyMode string

const (
	// ProxyNFTables is kube-proxy's nftables mode.
	ProxyNFTables ProxyMode = "nftables"
	// ProxyIPTables is kube-proxy's iptables mode.
	ProxyIPTables ProxyMode = "iptables"
	// ProxyNone means that the cluster has no kube-proxy.
	ProxyNone ProxyMode = "none"
)

// IPFamily is the kind of addresses of pods and Services, see
// https://kubernetes.io/docs/concepts/services-networking/dual-stack/.
type IPFamily string

const (
	// IPv4 is IPv4 only.
	IPv4 IPFamily = "ipv4"
	// IPv6 is IPv6 only.
	IPv6 IPFamily = "ipv6"
	// DualStack is both: every pod has an address of each family.
	DualStack IPFamily = "dual"
)

// Networking configures the networks of a cluster.
type Networking struct {
	// APIServerAddress is the address of the host at which the API server is published. If empty,
	// it is 127.0.0.1, or all addresses of the host of a remote Docker engine: see PublishedAt.
	APIServerAddress string `json:"apiServerAddress,omitempty"`
	// APIServerCertSANs are additional names and addresses with which clients reach the API server,
	// for its certificate. A name may start with "*.".
	APIServerCertSANs []string `json:"apiServerCertSANs,omitzero"`
	// APIServerPort is the port of the host. If 0, it is a free port.
	APIServerPort int32 `json:"apiServerPort,omitempty"`
	// IPFamily defaults to the family of the subnets, or to ipv4 if those are empty.
	IPFamily IPFamily `json:"ipFamily,omitempty"`
	// PodSubnet is one range, or a range of each family, separated by a comma. The first one is of
	// the family that the cluster prefers. The default depends on IPFamily: see defaultSubnets.
	PodSubnet string `json:"podSubnet,omitempty"`
	// ServiceSubnet has the families of PodSubnet, in the same order. Its default is in
	// defaultSubnets, too.
	ServiceSubnet string `json:"serviceSubnet,omitempty"`
	// DNSDomain defaults to cluster.local.
	DNSDomain string `json:"dnsDomain,omitempty"`
	// KubeProxyMode defaults to nftables.
	KubeProxyMode ProxyMode `json:"kubeProxyMode,omitempty"`
	// DisableDefaultCNI is set if the user installs a pod network: no node becomes Ready before
	// that.
	DisableDefaultCNI bool `json:"disableDefaultCNI,omitempty"`
}
