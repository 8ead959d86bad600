package config

import (
	"reflect"
	"strings"
	"testing"
)

// TestKubeProxySettings checks the field that each flag of kube-proxy sets, and its type.
func TestKubeProxySettings(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for flag, want := range map[string]table{
		"bind-address=::":                       {"bindAddress": "::"},
		"bind-address-hard-fail=true":           {"bindAddressHardFail": true},
		"cluster-cidr=10.0.0.0/8":               {"clusterCIDR": "10.0.0.0/8"},
		"config-sync-period=1m":                 {"configSyncPeriod": "1m"},
		"conntrack-max-per-core=1":              {"conntrack": table{"maxPerCore": int64(1)}},
		"conntrack-min=7":                       {"conntrack": table{"min": int64(7)}},
		"conntrack-tcp-be-liberal=true":         {"conntrack": table{"tcpBeLiberal": true}},
		"conntrack-tcp-timeout-close-wait=1s":   {"conntrack": table{"tcpCloseWaitTimeout": "1s"}},
		"conntrack-tcp-timeout-established=0s":  {"conntrack": table{"tcpEstablishedTimeout": "0s"}},
		"conntrack-udp-timeout=1s":              {"conntrack": table{"udpTimeout": "1s"}},
		"conntrack-udp-timeout-stream=1s":       {"conntrack": table{"udpStreamTimeout": "1s"}},
		"detect-local-mode=NodeCIDR":            {"detectLocalMode": "NodeCIDR"},
		"feature-gates=A=true,B=false":          {"featureGates": table{"A": true, "B": false}},
		"healthz-bind-address=0.0.0.0:10256":    {"healthzBindAddress": "0.0.0.0:10256"},
		"iptables-localhost-nodeports=false":    {"iptables": table{"localhostNodePorts": false}},
		"iptables-masquerade-bit=15":            {"iptables": table{"masqueradeBit": int64(15)}},
		"iptables-min-sync-period=1s":           {"iptables": table{"minSyncPeriod": "1s"}},
		"iptables-sync-period=1s":               {"iptables": table{"syncPeriod": "1s"}},
		"kube-api-burst=7":                      {"clientConnection": table{"burst": int64(7)}},
		"kube-api-content-type=x":               {"clientConnection": table{"contentType": "x"}},
		"kube-api-qps=0.5":                      {"clientConnection": table{"qps": 0.5}},
		"masquerade-all=true":                   {"iptables": table{"masqueradeAll": true}},
		"metrics-bind-address=0.0.0.0:10249":    {"metricsBindAddress": "0.0.0.0:10249"},
		"nodeport-addresses=primary,10.0.0.0/8": {"nodePortAddresses": []any{"primary", "10.0.0.0/8"}},
		"oom-score-adj=-5":                      {"oomScoreAdj": int64(-5)},
		"pod-bridge-interface=br0":              {"detectLocal": table{"bridgeInterface": "br0"}},
		"pod-interface-name-prefix=veth":        {"detectLocal": table{"interfaceNamePrefix": "veth"}},
		"profiling=true":                        {"enableProfiling": true},
		"show-hidden-metrics-for-version=1.36":  {"showHiddenMetricsForVersion": "1.36"},
	} {
		name, value, _ := strings.Cut(flag, "=")
		seen[name] = true
		c := args("kube-proxy", name, value)
		c.Networking.KubeProxyMode = ProxyIPTables
		if got := c.KubeProxySettings(); !reflect.DeepEqual(got, want) {
			t.Errorf("%s sets %v; want %v", flag, got, want)
		}
		if name != "conntrack-min" && problems(c) != "" {
			t.Errorf("%s: %s", flag, problems(c))
		}
		// mkube's own fields are fields of kube-proxy, too.
		m := mistakes{}
		m.fields("x", "", "", want, kubeProxyKind, c)
		if len(m) > 0 {
			t.Errorf("%s sets what a patch cannot set: %v", flag, m.join())
		}
	}
	for flag := range proxyFlags {
		if !seen[flag] {
			t.Errorf("%s is not tested", flag)
		}
	}
}

func TestValidateKubeProxyFlags(t *testing.T) {
	t.Parallel()
	const ignored = "cannot be set: kube-proxy ignores it, because it has a configuration file: use kubeProxyConfigPatches"
	for flag, want := range map[string]string{
		"v=4":                          "",
		"logging-format=json":          "",
		"master=https://x":             "",
		"metrics-bind-address=0.0.0.0": "",
		"metrics-bind-address=[::]:1":  "",
		"metrics-bind-address=here":    `must be an IP address and a port, such as "0.0.0.0:10249", not "here"`,
		"metrics-bind-address=":        `must be an IP address and a port, such as "0.0.0.0:10249", not ""`,
		"healthz-bind-address=:1":      `must be 0.0.0.0:10256, [::]:10256 or 127.0.0.1:10256, because mkube checks the health at 127.0.0.1, not ":1"`,
		"proxy-mode=ipvs":              "cannot be set: set networking.kubeProxyMode",
		"config=/x":                    "cannot be set: use kubeProxyConfigPatches, which change mkube's file",
		"cleanup=true":                 "cannot be set: the program prints and exits",
		"metrics-port=1":               "cannot be set: use metrics-bind-address",
		"ipvs-scheduler=rr":            ignored,
		"metric-bind-address=0.0.0.0":  ignored + `, or did you mean "metrics-bind-address"?`,
		"iptables-masquerade-bit=1":    "cannot be set: kube-proxy ignores it in mode nftables",
		"iptables-sync-period=0s":      `must be a duration such as "30s", longer than 0, not "0s"`,
		"conntrack-min=7":              "cannot be set: kube-proxy ignores it without the maximum per core, which mkube sets to 0",
		"oom-score-adj=much":           `must be a whole number of at most 32 bits, not "much"`,
		"profiling=on":                 `must be "true" or "false", not "on"`,
		"feature-gates=A":              `must be a list such as "GateA=true,GateB=false", not "A"`,
		"kube-api-qps=0":               `must be a number that is not 0, not "0"`,
		"nodeport-addresses=":          `must be a list, separated by commas, not ""`,
	} {
		name, value, _ := strings.Cut(flag, "=")
		got := strings.TrimPrefix(problems(args("kube-proxy", name, value)), "extraArgs.kube-proxy."+name+" ")
		if got != want {
			t.Errorf("%s:\n got %s\nwant %s", flag, got, want)
		}
	}
}

func TestValidateKubeProxyPatches(t *testing.T) {
	t.Parallel()
	for patch, want := range map[string]string{
		"": "", "# nothing": "",
		"metricsBindAddress: 0.0.0.0:10249\nconntrack: {tcpBeLiberal: true}\nlogging: {verbosity: 4, flushFrequency: 5s}": "",
		"kind: KubeProxyConfiguration\napiVersion: kubeproxy.config.k8s.io/v1alpha1":                                      "",
		"clientConnection: {qps: 7}":          "",
		"nftables: {masqueradeAll: true}":     "",
		"conntrack: {maxPerCore: 1, min: 2}":  "",
		"conntrack: {min: 2}":                 "sets conntrack.min, but kube-proxy ignores it without the maximum per core, which mkube sets to 0",
		"iptables: {masqueradeAll: true}":     "sets iptables, which kube-proxy ignores in mode nftables",
		"metricsBindAdress: x":                `cannot be used: line 1 ("metricsBindAdress: x"): kube-proxy has no field metricsBindAdress, and would ignore it: did you mean "metricsBindAddress"?`,
		"a: 1\nmode: ipvs":                    "cannot be used: line 2 (\"mode: ipvs\"): mode cannot be changed: set networking.kubeProxyMode\nkubeProxyConfigPatches[0] cannot be used: line 1 (\"a: 1\"): kube-proxy has no field a, and would ignore it",
		"clientConnection: {kubeconfig: /x}":  `cannot be used: line 1 ("clientConnection: {kubeconfig: /x}"): clientConnection.kubeconfig cannot be changed: mkube gives the program its certificate`,
		"oomScoreAdj: [1]":                    `cannot be used: line 1 ("oomScoreAdj: [1]"): oomScoreAdj must be an integer, not a list`,
		"healthzBindAddress: 0.0.0.0:1":       `sets healthzBindAddress to "0.0.0.0:1", which must be 0.0.0.0:10256, [::]:10256 or 127.0.0.1:10256, because mkube checks the health at 127.0.0.1`,
		"- a":                                 "is not a YAML mapping: it is a list",
		"clusterCIDR: a\n---\nclusterCIDR: b": "is not a YAML mapping: it has a second YAML document",
		"clusterCIDR: a\nclusterCIDR: b":      `is not a YAML mapping: error converting YAML to JSON: yaml: unmarshal errors: line 2: key "clusterCIDR" already set in map`,
		"kind: Pod":                           `cannot be used: line 1 ("kind: Pod"): kind must be KubeProxyConfiguration`,
		"clusterCIDR: \"\\x01\"":              "",
	} {
		got := strings.TrimPrefix(problems(Cluster{KubeProxyConfigPatches: []string{patch}}), "kubeProxyConfigPatches[0] ")
		if got != want {
			t.Errorf("%q:\n got %s\nwant %s", patch, got, want)
		}
	}
}

func TestValidateKubeletPatches(t *testing.T) {
	t.Parallel()
	for patch, want := range map[string]string{
		"": "",
		"maxPods: 50\nevictionHard: {memory.available: 5%}\nsyncFrequency: 1m\nclusterDNS: [10.0.0.1]\nserverTLSBootstrap: true": "",
		"reservedMemory: [{numaNode: 0, limits: {memory: 1Gi}}]\nmemoryThrottlingFactor: 1\ntlsCertFile: null":                   "",
		"kubeReserved: {cpu: 100m}":     "",
		"maxPods: \"50\"":               `cannot be used: line 1 ("maxPods: \"50\""): maxPods must be an integer, not a string`,
		"maxPods: 1.5":                  `cannot be used: line 1 ("maxPods: 1.5"): maxPods must be an integer, not a float`,
		"maxPod: 50":                    `cannot be used: line 1 ("maxPod: 50"): kubelet has no field maxPod, and would ignore it: did you mean "maxPods"?`,
		"authentication:\n  webhok: {}": `cannot be used: line 2 ("webhok: {}"): kubelet has no field authentication.webhok, and would ignore it: did you mean "webhook"?`,
		"staticPodPath: /x":             `cannot be used: line 1 ("staticPodPath: /x"): staticPodPath cannot be changed: mkube writes static pods to /etc/kubernetes/manifests`,
		"cgroupDriver: systemd":         `cannot be used: line 1 ("cgroupDriver: systemd"): cgroupDriver cannot be changed: the kubelet asks containerd for it`,
		"registerNode: false":           "sets registerNode to false, but mkube waits until the node is registered",
		"runOnce: true":                 `cannot be used: line 1 ("runOnce: true"): runOnce cannot be changed: the kubelet ignores it`,
	} {
		c := Cluster{Nodes: []Node{{KubeletConfigPatches: []string{patch}}}}
		if got := strings.TrimPrefix(problems(c), "nodes[0].kubeletConfigPatches[0] "); got != want {
			t.Errorf("%q:\n got %s\nwant %s", patch, got, want)
		}
	}
	c := Cluster{
		Nodes:     []Node{{Resources: Resources{CPUs: "1500m"}, KubeletConfigPatches: []string{"kubeReserved: {cpu: 100m}"}}},
		ExtraArgs: map[string]map[string]string{"kubelet": {"kube-reserved": "cpu=100m"}},
	}
	const reserved = "mkube reserves the part of a CPU above resources.cpus with it: set system-reserved (systemReserved) instead"
	want := "nodes[0].kubeletConfigPatches[0] sets kubeReserved, but " + reserved + "\nextraArgs.kubelet.kube-reserved cannot be set: " + reserved
	if got := problems(c); got != want {
		t.Errorf("got %s; want %s", got, want)
	}
}

func TestRequestsServing(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		patches []string
		flag    string
		want    bool
	}{
		{nil, "", false},
		{[]string{"serverTLSBootstrap: true"}, "", true},
		{[]string{"serverTLSBootstrap: true", "serverTLSBootstrap: false"}, "", false},
		{[]string{"serverTLSBootstrap: true", "maxPods: 1"}, "", true},
		{nil, "true", true},
		{[]string{"serverTLSBootstrap: true"}, "false", false},
	} {
		c := Cluster{}
		if test.flag != "" {
			c = args("kubelet", "rotate-server-certificates", test.flag)
		}
		if got := c.RequestsServing(Node{KubeletConfigPatches: test.patches}); got != test.want {
			t.Errorf("RequestsServing(%q, flag %q) = %t", test.patches, test.flag, got)
		}
	}
}
