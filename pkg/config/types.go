// Package config is the cluster that a user asks for: its types, their defaults,
// their validation, and the strict loading of the YAML file that spells them.
package config

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
	// Nodes are the cluster's nodes in order. Empty means one control plane.
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
	// ContainerdConfigPatches are TOML documents merged into containerd's
	// configuration, in order.
	ContainerdConfigPatches []string `json:"containerdConfigPatches,omitzero"`
}

// Role is what a node is for.
type Role string

const (
	// ControlPlane runs etcd and the control plane's components.
	ControlPlane Role = "control-plane"
	// Worker runs pods only.
	Worker Role = "worker"
)

// Node is one node of a cluster.
type Node struct {
	// Role is empty for a control plane.
	Role Role `json:"role,omitempty"`
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
	// ListenAddress is an address of the host. Empty means 127.0.0.1.
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

// Networking is the cluster's networks.
type Networking struct {
	// APIServerAddress is the host's address at which the API server is published.
	// Empty means 127.0.0.1.
	APIServerAddress string `json:"apiServerAddress,omitempty"`
	// APIServerPort is 0 for a free port of the host.
	APIServerPort int32 `json:"apiServerPort,omitempty"`
	// PodSubnet is empty for 10.244.0.0/16.
	PodSubnet string `json:"podSubnet,omitempty"`
	// ServiceSubnet is empty for 10.96.0.0/16.
	ServiceSubnet string `json:"serviceSubnet,omitempty"`
	// DNSDomain is empty for cluster.local.
	DNSDomain string `json:"dnsDomain,omitempty"`
	// KubeProxyMode is empty for nftables.
	KubeProxyMode ProxyMode `json:"kubeProxyMode,omitempty"`
	// DisableDefaultCNI leaves the pod network to its user: no node becomes Ready
	// before one is installed.
	DisableDefaultCNI bool `json:"disableDefaultCNI,omitempty"`
}
