// Package names contains the names that several packages share: names of components, and of files
// and ports on a node.
package names

// The names of components, which are those of Kubernetes and their projects. node-registration is a
// component of mkube: it gives the kubelet the API server at which it registers.
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

// Paths on a node. The paths of Kubernetes are those of its documentation, see
// https://kubernetes.io/docs/setup/best-practices/certificates/.
const (
	// ManifestDir is the folder in which the kubelet finds static pods.
	ManifestDir = "/etc/kubernetes/manifests"
	// PKIDir is the folder of certificates and keys.
	PKIDir = "/etc/kubernetes/pki"
	// AdminKubeconfig is the administrator's kubeconfig, on control planes.
	AdminKubeconfig = "/etc/kubernetes/admin.conf"
	// KubeletKubeconfig is the kubelet's kubeconfig.
	KubeletKubeconfig = "/etc/kubernetes/kubelet.conf"
	// StateDir is the folder for mkube's own data on a node.
	StateDir = "/etc/mkube"
)

// APIServerPort is the TCP port of kube-apiserver on a node.
const APIServerPort = 6443
