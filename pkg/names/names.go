// Package names has the names that several packages share: of components, and of files and ports on a node.
package names

// The names of components, as Kubernetes and their projects call them. node-registration is mkube's: it
// gives the kubelet the API server that it registers at.
const (
	Containerd             = "containerd"
	CNI                    = "cni"
	Kubelet                = "kubelet"
	LoadBalancer           = "load-balancer"
	Etcd                   = "etcd"
	KubeAPIServer          = "kube-apiserver"
	NodeRegistration       = "node-registration"
	KubeControllerManager  = "kube-controller-manager"
	KubeScheduler          = "kube-scheduler"
	KubeNetworkPolicies    = "kube-network-policies"
	KubeProxy              = "kube-proxy"
	CloudControllerManager = "cloud-controller-manager"
	CoreDNS                = "coredns"
	LocalPathProvisioner   = "local-path-provisioner"
	MetricsServer          = "metrics-server"
)

// Paths on a node. Those of Kubernetes are as its documentation has them, see
// https://kubernetes.io/docs/setup/best-practices/certificates/.
const (
	// ManifestDir is where the kubelet finds static pods.
	ManifestDir = "/etc/kubernetes/manifests"
	// PKIDir has certificates and keys.
	PKIDir = "/etc/kubernetes/pki"
	// AdminKubeconfig is the administrator's kubeconfig, on control planes.
	AdminKubeconfig = "/etc/kubernetes/admin.conf"
	// KubeletKubeconfig is the kubelet's kubeconfig.
	KubeletKubeconfig = "/etc/kubernetes/kubelet.conf"
	// StateDir is where a node keeps what belongs to mkube.
	StateDir = "/etc/mkube"
)

// APIServerPort is the TCP port of kube-apiserver on a node.
const APIServerPort = 6443
