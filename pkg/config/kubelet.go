package config

import (
	_ "embed"
	"strconv"

	"github.com/mkube/mkube/pkg/names"
)

//go:embed kubelet.toml
var kubeletFields string

const whyNothing = "the kubelet ignores it"

// kubeletKind is the file that kubeletConfigPatches change. Its fixed fields would stop the node, or
// have no effect.
var kubeletKind = document{
	program: names.Kubelet, kind: "KubeletConfiguration", versions: []string{"kubelet.config.k8s.io/v1beta1"},
	schema: schemaOf(kubeletFields),
	fixed: []fixedField{
		{[]string{"staticPodPath"}, "mkube writes static pods to " + names.ManifestDir},
		{[]string{"containerRuntimeEndpoint"}, whyRuntime},
		{[]string{"cgroupDriver"}, "the kubelet asks containerd for it"},
		{[]string{"cgroupRoot"}, whyCgroup},
		{[]string{"healthzPort"}, whyHealth},
		{[]string{"healthzBindAddress"}, whyHealth},
		{[]string{"podCIDR"}, "only a kubelet without an API server uses it"},
		{[]string{"runOnce"}, whyNothing},
		{[]string{"iptablesMasqueradeBit"}, whyNothing},
		{[]string{"iptablesDropBit"}, whyNothing},
	},
}

func (m *mistakes) kubeletConfigPatches(path string, n Node, c Cluster) {
	for i, tree := range m.patches(path, n.KubeletConfigPatches, kubeletKind, c) {
		if tree["registerNode"] == false {
			m.addf(itemPath(path, i), "sets registerNode to false, but mkube waits until the node is registered")
		}
		if tree["kubeReserved"] != nil && n.reservesCPU() {
			m.addf(itemPath(path, i), "sets kubeReserved, but %s", whyReserved)
		}
	}
}

// RequestsServing reports whether the kubelet of a node requests its serving certificate from the
// API server, by serverTLSBootstrap. Somebody must approve the request, see
// https://kubernetes.io/docs/reference/access-authn-authz/kubelet-tls-bootstrapping/#certificate-rotation.
// A flag overrides the configuration file, as in the kubelet. The cluster must be valid.
func (c Cluster) RequestsServing(n Node) bool {
	requests := false
	for _, text := range n.KubeletConfigPatches {
		if tree, err := parseYAML(text); err == nil && tree["serverTLSBootstrap"] != nil {
			requests = tree["serverTLSBootstrap"] == true
		}
	}
	if value, ok := c.ExtraArgs[names.Kubelet]["rotate-server-certificates"]; ok {
		requests, _ = strconv.ParseBool(value)
	}
	return requests
}
