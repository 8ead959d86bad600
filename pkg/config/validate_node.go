package config

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/validate/content"
)

// The syntax of label keys and values, which is also that of taints, see
// https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set.
const (
	keyRule   = `must be up to 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit, and may have a DNS name and '/' in front, such as "example.com/tier"`
	valueRule = "must be empty or up to 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"
)

// nodeName checks the name of the i-th node. first is the index of the first node with this name,
// which may be i.
func (m *mistakes) nodeName(at, name string, first, i int) {
	switch {
	case name == "":
	case !dnsLabel.MatchString(name):
		m.addf(at, "must be lower-case letters, digits and inner hyphens, as in host names, not %s", quote(name))
	case len(name) > 63:
		m.addf(at, "must have at most 63 characters, as host names, not %d", len(name))
	}
	if first != i {
		m.addf(at, "is also that of nodes[%d]: each node needs its own", first)
	}
}

func (m *mistakes) nodeAddress(at string, nodes []Node, i int) {
	address := nodes[i].Address
	if address == "" {
		return
	}
	if a, err := netip.ParseAddr(address); err != nil || !a.Is4() || !a.IsGlobalUnicast() {
		m.addf(at, "must be an IPv4 address of a machine, such as 192.168.56.10, not %s", quote(address))
	}
	if first := slices.IndexFunc(nodes, func(n Node) bool { return n.Address == address }); first != i {
		m.addf(at, "is also that of nodes[%d]: each node needs its own", first)
	}
}

// labels checks the labels that the kubelet sets on its node when it registers.
func (m *mistakes) labels(parent string, labels map[string]string, node string) {
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		at, value := keyPath(parent, key), labels[key]
		keyOK, valueOK := len(content.IsLabelKey(key)) == 0, len(content.IsLabelValue(value)) == 0
		if !keyOK {
			m.addf(at, "has an invalid key: it "+keyRule)
		}
		if !valueOK {
			m.addf(at, "%s, not %s", valueRule, quote(value))
		}
		if keyOK && valueOK && restricted(key) {
			m.addf(at, `is a label that Kubernetes does not let a kubelet set on its own node: set it later with "kubectl label node %s %s=%s"`, node, key, value)
		}
	}
}

// restricted reports whether a label is in a namespace of Kubernetes, but not one of those that a
// kubelet may set on its own node. The kubelet would not even start with it:
// https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction.
func restricted(key string) bool {
	namespace, _, found := strings.Cut(key, "/")
	if !found || !in(namespace, "kubernetes.io") && !in(namespace, "k8s.io") {
		return false
	}
	if in(namespace, "kubelet.kubernetes.io") || in(namespace, "node.kubernetes.io") {
		return false
	}
	return !slices.Contains([]string{
		"kubernetes.io/hostname", "kubernetes.io/arch", "kubernetes.io/os",
		"beta.kubernetes.io/instance-type", "beta.kubernetes.io/arch", "beta.kubernetes.io/os",
		"failure-domain.beta.kubernetes.io/region", "failure-domain.beta.kubernetes.io/zone",
		"topology.kubernetes.io/region", "topology.kubernetes.io/zone",
	}, key)
}

// in reports whether a DNS name is a domain or below it.
func in(name, domain string) bool {
	return name == domain || strings.HasSuffix(name, "."+domain)
}

func (m *mistakes) taints(parent string, taints []Taint) {
	type id struct{ key, effect string }
	seen := map[id]string{}
	for i, t := range taints {
		at := itemPath(parent, i)
		if len(content.IsLabelKey(t.Key)) > 0 {
			m.addf(fieldPath(at, "key"), "%s, not %s", keyRule, quote(t.Key))
		}
		if len(content.IsLabelValue(t.Value)) > 0 {
			m.addf(fieldPath(at, "value"), "%s, not %s", valueRule, quote(t.Value))
		}
		m.oneOf(fieldPath(at, "effect"), t.Effect, "NoSchedule", "PreferNoSchedule", "NoExecute")
		// The API server refuses a node with two taints that have the same key and effect.
		if first, duplicate := seen[id{t.Key, t.Effect}]; duplicate {
			m.addf(at, "has the key and the effect of %s: remove one of them", first)
			continue
		}
		seen[id{t.Key, t.Effect}] = at
	}
}
