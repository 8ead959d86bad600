package config

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/mkube/mkube/pkg/names"
)

const (
	// maxName leaves room in a host name, which has at most 63 characters (RFC 1123), for the
	// longest suffix of a node's name.
	maxName = 63 - len("-external-load-balancer")
	// maxNodes is the number of addresses for nodes in the cluster's network, which is a /24. The
	// addresses above are for Services of type LoadBalancer.
	maxNodes = 180
)

// Validate checks a cluster after Default. The error contains every mistake. Each is one line that
// starts with the path of the field: "nodes[0].role must be ...".
func (c Cluster) Validate() error {
	m := c.mistakes()
	m.absentAddons(c)
	return m.join()
}

func (c Cluster) mistakes() mistakes {
	var m mistakes
	m.header(c)
	m.name(c.Name)
	m.nodes(c)
	m.networking(c)
	m.featureGates(c.FeatureGates)
	m.runtimeConfig(c.RuntimeConfig)
	m.absent(c)
	m.extraArgs(c)
	m.authentication(c)
	m.fileKinds(c)
	m.pods(c)
	m.containerdConfigPatches(c.ContainerdConfigPatches)
	m.kubeProxyConfigPatches(c)
	m.addons(c.Addons)
	m.proxy(c.Proxy)
	return m
}

func (m *mistakes) header(c Cluster) {
	switch {
	case strings.HasPrefix(c.APIVersion, "kind.x-k8s.io/"):
		m.addf("apiVersion", "must be %q, not kind's %s: fields of the same name mean the same in both", APIVersion, quote(c.APIVersion))
	case c.APIVersion != APIVersion:
		m.addf("apiVersion", "must be %q, not %s", APIVersion, quote(c.APIVersion))
	}
	if c.Kind != Kind {
		m.addf("kind", "must be %q, not %s", Kind, quote(c.Kind))
	}
}

var dnsLabel = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)

// name checks the cluster's name against RFC 1123, because it is a part of the host names of nodes.
func (m *mistakes) name(name string) {
	if !dnsLabel.MatchString(name) {
		m.addf("name", "must be lower-case letters, digits and inner hyphens, as in host names, not %s", quote(name))
	}
	if len(name) > maxName {
		m.addf("name", "must have at most %d characters, not %d: host names such as NAME-external-load-balancer have at most 63", maxName, len(name))
	}
}

func (m *mistakes) nodes(c Cluster) {
	if len(c.Nodes) > maxNodes {
		m.addf("nodes", "must be at most %d, not %d", maxNodes, len(c.Nodes))
		return
	}
	names := c.NodeNames()
	needsControlPlane := true
	loadBalancers := 0
	for i, n := range c.Nodes {
		path := itemPath("nodes", i)
		// A misspelled role may be meant as a control plane.
		valid := m.oneOf(fieldPath(path, "role"), string(n.Role), string(ControlPlane), string(Worker), string(LoadBalancer))
		needsControlPlane = needsControlPlane && valid && n.Role != ControlPlane
		if n.Role == LoadBalancer {
			m.loadBalancer(path, n, loadBalancers)
			loadBalancers++
		}
		m.nodeName(fieldPath(path, "name"), n.Name, slices.Index(names, names[i]), i)
		m.nodeAddress(fieldPath(path, "address"), c.Nodes, i)
		m.printable(fieldPath(path, "image"), n.Image, "")
		m.labels(fieldPath(path, "labels"), n.Labels, names[i])
		m.taints(fieldPath(path, "taints"), n.Taints)
		m.mounts(fieldPath(path, "extraMounts"), n.ExtraMounts, !c.Networking.DisableDefaultCNI)
		m.resources(fieldPath(path, "resources"), n)
		m.kubeletConfigPatches(fieldPath(path, "kubeletConfigPatches"), n, c)
	}
	if needsControlPlane {
		m.addf("nodes", `must have a control plane: add "- role: %s"`, ControlPlane)
	}
	m.ports(c)
}

// loadBalancer checks a load balancer; others is the number of load balancers before it. It reports
// the fields that only a kubelet uses.
func (m *mistakes) loadBalancer(path string, n Node, others int) {
	if others > 0 {
		m.addf(path, "is a second %s: a cluster has at most one", LoadBalancer)
	}
	if len(n.Labels) > 0 || len(n.Taints) > 0 || len(n.KubeletConfigPatches) > 0 {
		m.addf(path, "has labels, taints or a kubelet's configuration: the %s is not a node of Kubernetes", LoadBalancer)
	}
}

var gateName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*$`)

func (m *mistakes) featureGates(gates map[string]bool) {
	for _, gate := range slices.Sorted(maps.Keys(gates)) {
		if !gateName.MatchString(gate) {
			m.addf(keyPath("featureGates", gate), `is not a feature gate: names of feature gates are letters and digits, such as "AllAlpha"`)
		}
	}
}

// apiName matches a key of kube-apiserver's --runtime-config, see
// https://kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver/.
var apiName = regexp.MustCompile(`^[a-z0-9]([-.a-z0-9]*[a-z0-9])?(/[a-z0-9]+){0,2}$`)

func (m *mistakes) runtimeConfig(versions map[string]string) {
	for _, version := range slices.Sorted(maps.Keys(versions)) {
		path := keyPath("runtimeConfig", version)
		if !apiName.MatchString(version) {
			m.addf(path, `is not an API version: use one such as "batch/v2alpha1" or "api/alpha"`)
		}
		if value := versions[version]; value != "" {
			m.oneOf(path, value, "true", "false")
		}
	}
}

func (m *mistakes) addons(names []string) {
	for i, name := range names {
		path := itemPath("addons", i)
		if !slices.Contains(Addons(), name) {
			m.addf(path, "must be an addon, not %s%s", quote(name), didYouMeanOr(name, Addons(), "the addons are "))
		} else if slices.Contains(names[:i], name) {
			m.addf(path, "names %s again", quote(name))
		}
	}
}

// absent reports settings of components that the cluster does not have.
func (m *mistakes) absent(c Cluster) {
	if c.Networking.KubeProxyMode == ProxyNone {
		m.absentComponent(names.KubeProxy, "networking.kubeProxyMode is none", c)
		if len(c.KubeProxyConfigPatches) > 0 {
			m.addf("kubeProxyConfigPatches", "has no effect: networking.kubeProxyMode is none")
		}
	}
	if !c.HasCloudControllerManager() {
		m.absentComponent(names.CloudControllerManager, "cloudControllerManager is false", c)
	}
	if c.Networking.DisableDefaultCNI {
		m.absentComponent(names.KubeNetworkPolicies, "networking.disableDefaultCNI is true", c)
	}
}

// absentAddons reports settings of addons that the cluster does not have. Load does not call it,
// because a flag of mkube may add them.
func (m *mistakes) absentAddons(c Cluster) {
	for _, name := range Addons() {
		if !slices.Contains(c.Addons, name) {
			m.absentComponent(name, "addons does not list it", c)
		}
	}
}

func (m *mistakes) absentComponent(component, why string, c Cluster) {
	const format = "has no effect: %s"
	if len(c.ExtraArgs[component]) > 0 {
		m.addf(keyPath("extraArgs", component), format, why)
	}
	if len(c.ExtraFiles[component]) > 0 {
		m.addf(keyPath("extraFiles", component), format, why)
	}
	if len(c.ExtraVolumes[component]) > 0 {
		m.addf(keyPath("extraVolumes", component), format, why)
	}
}
