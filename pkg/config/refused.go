package config

import (
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/mkube/mkube/pkg/names"
)

// Reasons why a flag cannot be set, for several flags.
const (
	whyExits    = "the program prints and exits"
	whyEtcdPKI  = "the certificates of etcd and its clients come from etcd's own authority"
	whyMembers  = "mkube computes it from the control planes"
	whyNodeName = "it is the name of the node, see nodes[].name"
	whyOneEtcd  = "mkube itself forms the cluster of etcd"
	whyHealth   = "mkube checks the health of the component at its own port"
	whyKubelet  = "the kubelet's folder is /var/lib/kubelet"
	whyCgroup   = "the node prepares the cgroups of its pods"
	whyRuntime  = "the kubelet uses containerd's own socket"
	whyService  = "set networking.serviceSubnet"
	whyNoRoutes = "nodes need no routes of a cloud: mkube sets the routes to pods"
	whyTLSFiles = "the program ignores it, because mkube gives it a certificate"

	whyPatches     = "use kubeletConfigPatches, which change mkube's file"
	whyCertificate = "mkube gives the program its certificate"
)

// refusedFlags are flags that would stop a component, that mkube's other settings contradict, or
// that the component would ignore, by component, with the reason.
var refusedFlags = map[string]map[string]string{
	names.Kubelet: {
		"config":                     whyPatches,
		"config-dir":                 whyPatches,
		"hostname-override":          whyNodeName,
		"kubeconfig":                 whyCertificate,
		"bootstrap-kubeconfig":       whyCertificate,
		"cert-dir":                   whyTLSFiles,
		"root-dir":                   whyKubelet,
		"pod-manifest-path":          "mkube writes static pods to " + names.ManifestDir,
		"container-runtime-endpoint": whyRuntime,
		"cgroup-driver":              "the kubelet asks containerd for it",
		"cgroup-root":                whyCgroup,
		"healthz-port":               whyHealth,
		"healthz-bind-address":       whyHealth,
		"pod-cidr":                   "only a kubelet without an API server uses it",
		"runonce":                    whyNothing,
	},
	names.Etcd: {
		"config-file": "etcd would ignore all flags",
		"name":        whyMembers, "initial-cluster": whyMembers, "initial-cluster-state": whyMembers,
		"initial-advertise-peer-urls": whyMembers, "listen-peer-urls": whyMembers, "advertise-client-urls": whyMembers,
		"listen-client-urls": "kube-apiserver connects to https://127.0.0.1:2379",
		"data-dir":           "the folder of the database is /var/lib/etcd",
		"cert-file":          whyEtcdPKI, "key-file": whyEtcdPKI, "trusted-ca-file": whyEtcdPKI,
		"peer-cert-file": whyEtcdPKI, "peer-key-file": whyEtcdPKI, "peer-trusted-ca-file": whyEtcdPKI,
		"auto-tls": whyEtcdPKI, "peer-auto-tls": whyEtcdPKI,
		"discovery": whyOneEtcd, "discovery-srv": whyOneEtcd, "discovery-token": whyOneEtcd, "discovery-endpoints": whyOneEtcd,
		"force-new-cluster": "etcd would lose its other members at every start",
	},
	names.KubeAPIServer: {
		"advertise-address":        "it is the address of each node",
		"secure-port":              "clients in the cluster use port 6443; networking.apiServerPort is the port of the host",
		"service-cluster-ip-range": whyService,
		"client-ca-file":           "the certificates of mkube's components come from the cluster's own authority",
		"tls-cert-file":            "mkube's clients verify it with the cluster's own authority: use tls-sni-cert-key, or networking.apiServerCertSANs",
		"tls-private-key-file":     "mkube's clients verify it with the cluster's own authority: use tls-sni-cert-key, or networking.apiServerCertSANs",
		"cert-dir":                 whyTLSFiles,
		"oidc-signing-algs":        "mkube passes the issuer in an AuthenticationConfiguration, which accepts every algorithm and has no field for this",
	},
	names.KubeControllerManager: {"secure-port": whyHealth},
	names.KubeScheduler:         {"secure-port": whyHealth, "write-config-to": whyExits},
	names.KubeNetworkPolicies: {
		"kubeconfig": whyCertificate, "hostname-override": whyNodeName, "healthz-bind-address": whyHealth,
	},
	names.KubeProxy: {
		"config": "use kubeProxyConfigPatches, which change mkube's file", "write-config-to": whyExits, "cleanup": whyExits, "init-only": whyExits,
		"kubeconfig": whyCertificate, "hostname-override": whyNodeName, "proxy-mode": whyMode,
		"healthz-port": "use healthz-bind-address", "metrics-port": "use metrics-bind-address",
	},
	names.CloudControllerManager: {
		"cloud-provider": "the program supports only mkube", "node-name": whyNodeName, "node-ip": "it is the address of the node",
		"cluster-cidr": whyNoRoutes, "allocate-node-cidrs": whyNoRoutes, "cidr-allocator-type": whyNoRoutes,
		"configure-cloud-routes": whyNoRoutes, "route-reconciliation-period": whyNoRoutes,
	},
	names.CoreDNS: {
		"conf":     "mkube's Corefile is in the ConfigMap coredns",
		"dns.port": "CoreDNS ignores it, because mkube's Corefile has the port", "p": "CoreDNS ignores it, because mkube's Corefile has the port",
		"plugins": whyExits,
	},
}

// refusedBy returns why a flag cannot have a value in this cluster, "" if it can.
func (c Cluster) refusedBy(component, flag, value string) string {
	if flag == "help" || flag == "h" || flag == "version" {
		return whyExits
	}
	if why := refusedFlags[component][flag]; why != "" {
		return why
	}
	switch component {
	case names.Kubelet:
		return c.refusedByKubelet(flag, value)
	case names.Etcd:
		if flag == "listen-metrics-urls" && !listensLocally(value) {
			return "it must contain http://127.0.0.1:2381 or http://0.0.0.0:2381, because mkube checks the health there"
		}
	case names.KubeAPIServer:
		return c.refusedByAPIServer(flag, value)
	case names.KubeControllerManager:
		return c.refusedByControllerManager(flag, value)
	case names.KubeScheduler:
		if flag == "bind-address" && !local(value) {
			return whyLocal
		}
		if _, ok := c.ExtraArgs[component]["config"]; ok && slices.Contains(schedulerConfigFields, flag) {
			return "kube-scheduler ignores it, because config is set: write it into that file"
		}
	case names.CloudControllerManager:
		if _, ok := c.ExtraArgs[component]["secure-port"]; !ok && servingFlag(flag) {
			return "it has no effect without secure-port, which mkube sets to 0"
		}
		if flag == "health-address" && !answersAt(value, "10258") {
			return "it must be 127.0.0.1:10258, 0.0.0.0:10258 or [::]:10258, because mkube checks the health there"
		}
	}
	return ""
}

// whyLocal is the reason for an address at which the kubelet's probes get no answer.
const whyLocal = "it must be 127.0.0.1, 0.0.0.0 or ::, because mkube checks the health at 127.0.0.1"

func (c Cluster) refusedByControllerManager(flag, value string) string {
	ranges := flag == "cluster-cidr" || flag == "allocate-node-cidrs" || strings.HasPrefix(flag, "node-cidr-mask-size")
	switch {
	case flag == "bind-address" && !local(value):
		return whyLocal
	case flag == "service-cluster-ip-range":
		return whyService
	case ranges && !c.Networking.DisableDefaultCNI:
		return "mkube assigns each node its part of the pod network: set networking.podSubnet"
	}
	return c.refusedSigner(flag)
}

// refusedSigner refuses half of a pair of certificate and key, and an authority for all signers
// besides that of one signer.
func (c Cluster) refusedSigner(flag string) string {
	args := c.ExtraArgs[names.KubeControllerManager]
	rest, isSigner := strings.CutPrefix(flag, "cluster-signing-")
	if !isSigner || !strings.HasSuffix(flag, "-file") {
		return ""
	}
	if rest == "cert-file" || rest == "key-file" {
		for _, other := range slices.Sorted(maps.Keys(args)) {
			if more, ok := strings.CutPrefix(other, "cluster-signing-"); ok && strings.HasSuffix(more, "-file") && more != "cert-file" && more != "key-file" {
				return "kube-controller-manager refuses it together with " + other
			}
		}
	}
	pair := strings.Replace(flag, "cert-file", "key-file", 1)
	if pair == flag {
		pair = strings.Replace(flag, "key-file", "cert-file", 1)
	}
	if _, ok := args[pair]; !ok {
		return "it requires " + pair
	}
	return ""
}

// schedulerConfigFields are the flags that kube-scheduler ignores if it has a configuration file.
// See https://kubernetes.io/docs/reference/command-line-tools-reference/kube-scheduler/.
var schedulerConfigFields = []string{"contention-profiling", "kube-api-burst", "kube-api-content-type", "kube-api-qps", "kubeconfig", "profiling"}

// refusedByKubelet refuses values with which mkube would wait for the node in vain. A node with a
// part of a CPU reserves the rest by the flag kube-reserved, which replaces the whole field.
func (c Cluster) refusedByKubelet(flag, value string) string {
	if flag == "cloud-provider" && c.HasCloudControllerManager() {
		return "the cloud-controller-manager of the cluster requires external: see cloudControllerManager"
	}
	if flag == "register-node" && value == "false" {
		return "mkube waits until the node is registered"
	}
	if flag == "kube-reserved" && slices.ContainsFunc(c.Nodes, Node.reservesCPU) {
		return whyReserved
	}
	return ""
}

const whyReserved = "mkube reserves the part of a CPU above resources.cpus with it: set system-reserved (systemReserved) instead"

// reservesCPU reports whether mkube reserves a part of a CPU on a node.
func (n Node) reservesCPU() bool { return n.Resources.MilliCPUs()%1000 != 0 }

// refusedByAPIServer refuses flags that exclude each other. mkube's own flags give way to the
// user's, see pkg/component/apiserver.
func (c Cluster) refusedByAPIServer(flag, value string) string {
	args := c.ExtraArgs[names.KubeAPIServer]
	_, structured := args["authorization-config"]
	if structured && (flag == "authorization-mode" || strings.HasPrefix(flag, "authorization-webhook-")) {
		return "kube-apiserver refuses it together with authorization-config"
	}
	_, external := args["service-account-signing-endpoint"]
	if external && (flag == "service-account-key-file" || flag == "service-account-signing-key-file") {
		return "kube-apiserver refuses it together with service-account-signing-endpoint"
	}
	_, list := args["admission-control"]
	if list && (flag == "enable-admission-plugins" || flag == "disable-admission-plugins") {
		return "kube-apiserver refuses it together with admission-control"
	}
	if flag == "bind-address" && value != "0.0.0.0" && value != "::" {
		return "it must be 0.0.0.0 or ::, because the nodes use the node's address"
	}
	return ""
}

// local reports whether a server at this address answers at 127.0.0.1.
func local(address string) bool {
	a, err := netip.ParseAddr(address)
	return err == nil && (a.IsUnspecified() || a == netip.AddrFrom4([4]byte{127, 0, 0, 1}))
}

// answersAt reports whether a server at this address and port answers at a port of 127.0.0.1.
func answersAt(address, port string) bool {
	host, p, err := net.SplitHostPort(address)
	return err == nil && p == port && local(host)
}

// listensLocally reports whether one of etcd's URLs is that of the kubelet's probes.
func listensLocally(urls string) bool {
	return slices.ContainsFunc(strings.Split(urls, ","), func(s string) bool {
		u, err := url.Parse(s)
		return err == nil && u.Scheme == "http" && u.Port() == "2381" && local(u.Hostname())
	})
}

// servingFlag reports whether a flag configures only the TLS port of a component.
func servingFlag(flag string) bool {
	for _, prefix := range []string{"tls-", "authentication-", "authorization-", "requestheader-", "permit-", "http2-"} {
		if strings.HasPrefix(flag, prefix) {
			return true
		}
	}
	return slices.Contains([]string{"bind-address", "cert-dir", "client-ca-file", "disable-http2-serving"}, flag)
}
