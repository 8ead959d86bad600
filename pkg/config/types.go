// Package config is the cluster that a user asks for: its types, their defaults,
// their validation, and the strict loading of the YAML file that spells them.
package config

import "k8s.io/apimachinery/pkg/api/resource"

// APIVersion and Kind are what every configuration file begins with.
const (
	APIVersion = "mkube.dev/v1alpha1"
	Kind       = "Cluster"
)

// Cluster is a cluster as its user asks for it. The zero value, defaulted, is one
// control-plane node with every component. Written as YAML or JSON, it keeps an
// empty list apart from a missing one, since an empty list of taints says "none".
type Cluster struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	// Name is the cluster's name, and the prefix of its nodes'. Empty means "mkube".
	Name string `json:"name,omitempty"`
	// Nodes are the cluster's nodes in order. Empty means one control plane. Several
	// control planes get a load balancer, if none is listed.
	Nodes      []Node     `json:"nodes,omitzero"`
	Networking Networking `json:"networking,omitzero"`
	// FeatureGates are given to every Kubernetes component.
	FeatureGates map[string]bool `json:"featureGates,omitzero"`
	// RuntimeConfig switches API versions on and off (kube-apiserver's
	// --runtime-config), as in "api/alpha": "true".
	RuntimeConfig map[string]string `json:"runtimeConfig,omitzero"`
	// ExtraArgs are flags by component name, added to mkube's own or put in their
	// place: {"kube-scheduler": {"v": "4"}}.
	ExtraArgs map[string]map[string]string `json:"extraArgs,omitzero"`
	// CloudControllerManager is nil for true. Without one, no Service of type
	// LoadBalancer gets an address, and no node a provider ID.
	CloudControllerManager *bool `json:"cloudControllerManager,omitempty"`
	// ContainerdConfigPatches are TOML documents merged into containerd's
	// configuration, in order.
	ContainerdConfigPatches []string `json:"containerdConfigPatches,omitzero"`
	// Addons are components that a cluster has only if it is asked for, see Addons.
	Addons []string `json:"addons,omitzero"`
}

// Role is what a node is for.
type Role string

const (
	// ControlPlane runs etcd and the control plane's components.
	ControlPlane Role = "control-plane"
	// Worker runs pods only.
	Worker Role = "worker"
	// LoadBalancer leads to the API servers of several control planes. It is no node
	// of Kubernetes. A cluster that needs one is given it by Default.
	LoadBalancer Role = "external-load-balancer"
)

// Node is one node of a cluster.
type Node struct {
	// Role is empty for a control plane.
	Role Role `json:"role,omitempty"`
	// Name is the node's name, as a host and in Kubernetes. Empty means the one that
	// NodeNames makes of the cluster's name and the role.
	Name string `json:"name,omitempty"`
	// Address is the node's IPv4 address on the cluster's network, where the provider
	// lets it be chosen: a virtual machine's. Empty means the next free one.
	Address string `json:"address,omitempty"`
	// Image is the node image. Empty means the one of mkube's Kubernetes version.
	Image string `json:"image,omitempty"`
	// Labels are put on the Kubernetes node when it registers.
	Labels map[string]string `json:"labels,omitzero"`
	// Taints are put on the Kubernetes node when it registers. Nil means the
	// default of the role; an empty list means none.
	Taints []Taint `json:"taints,omitzero"`
	// ExtraMounts are folders and files of the host seen in the node.
	ExtraMounts []Mount `json:"extraMounts,omitzero"`
	// ExtraPortMappings are ports of the host that lead to ports of the node.
	ExtraPortMappings []PortMapping `json:"extraPortMappings,omitzero"`
	// Resources are what the node may use of the host. Zero means all.
	Resources Resources `json:"resources,omitzero"`
	// KubeletConfigPatches are YAML documents merged into the kubelet's configuration
	// file on this node, in order.
	KubeletConfigPatches []string `json:"kubeletConfigPatches,omitzero"`
}

// Resources are limits of a node, which the kubelet reports as the node's capacity.
// Both are quantities as Kubernetes writes them, see
// https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/.
type Resources struct {
	// CPUs is as "2" or "1500m". Empty means all.
	CPUs string `json:"cpus,omitempty"`
	// Memory is as "2Gi". Empty means all.
	Memory string `json:"memory,omitempty"`
}

// MilliCPUs are the CPUs in thousandths, 0 for all. The resources must be valid.
func (r Resources) MilliCPUs() int64 { return quantity(r.CPUs).MilliValue() }

// MemoryBytes is the memory in bytes, 0 for all. The resources must be valid.
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

// Mount is a path of the host seen in a node.
type Mount struct {
	// HostPath is made absolute against the working folder.
	HostPath string `json:"hostPath"`
	// ContainerPath is an absolute path of the node.
	ContainerPath string `json:"containerPath"`
	ReadOnly      bool   `json:"readOnly,omitempty"`
	// Propagation is None (the default), HostToContainer or Bidirectional.
	Propagation string `json:"propagation,omitempty"`
}

// PortMapping is a port of the host that leads to a port of a node.
type PortMapping struct {
	// ContainerPort is the node's port, 1 to 65535.
	ContainerPort int32 `json:"containerPort"`
	// HostPort is 0 for a free port.
	HostPort int32 `json:"hostPort,omitempty"`
	// ListenAddress is an address of the host. Empty is as for APIServerAddress.
	ListenAddress string `json:"listenAddress,omitempty"`
	// Protocol is TCP (the default), UDP or SCTP.
	Protocol string `json:"protocol,omitempty"`
}

// ProxyMode is how kube-proxy implements Services, or "none" for a cluster
// without it, see https://kubernetes.io/docs/reference/networking/virtual-ips/.
type ProxyMode string

const (
	// ProxyNFTables is kube-proxy's nftables mode.
	ProxyNFTables ProxyMode = "nftables"
	// ProxyIPTables is kube-proxy's iptables mode.
	ProxyIPTables ProxyMode = "iptables"
	// ProxyNone is no kube-proxy at all.
	ProxyNone ProxyMode = "none"
)

// IPFamily is which kind of addresses pods and Services have, see
// https://kubernetes.io/docs/concepts/services-networking/dual-stack/.
type IPFamily string

const (
	// IPv4 is IPv4 only.
	IPv4 IPFamily = "ipv4"
	// IPv6 is IPv6 only.
	IPv6 IPFamily = "ipv6"
	// DualStack is both: every pod has an address of each.
	DualStack IPFamily = "dual"
)

// Networking is the cluster's networks.
type Networking struct {
	// APIServerAddress is the host's address at which the API server is published.
	// Empty means 127.0.0.1, and all addresses of the host of a remote Docker engine:
	// see PublishedAt.
	APIServerAddress string `json:"apiServerAddress,omitempty"`
	// APIServerCertSANs are further names and addresses by which clients reach the API
	// server, for its certificate. A name may begin with "*.".
	APIServerCertSANs []string `json:"apiServerCertSANs,omitzero"`
	// APIServerPort is 0 for a free port of the host.
	APIServerPort int32 `json:"apiServerPort,omitempty"`
	// IPFamily is empty for that of the subnets, or ipv4 without any.
	IPFamily IPFamily `json:"ipFamily,omitempty"`
	// PodSubnet is empty for 10.244.0.0/16 or fd00:10:244::/56, or both with a comma
	// between them. The first is the family that the cluster prefers.
	PodSubnet string `json:"podSubnet,omitempty"`
	// ServiceSubnet is empty for 10.96.0.0/16 or fd00:10:96::/112, or both.
	ServiceSubnet string `json:"serviceSubnet,omitempty"`
	// DNSDomain is empty for cluster.local.
	DNSDomain string `json:"dnsDomain,omitempty"`
	// KubeProxyMode is empty for nftables.
	KubeProxyMode ProxyMode `json:"kubeProxyMode,omitempty"`
	// DisableDefaultCNI leaves the pod network to its user: no node becomes Ready
	// before one is installed.
	DisableDefaultCNI bool `json:"disableDefaultCNI,omitempty"`
}
