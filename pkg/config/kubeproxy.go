package config

import (
	_ "embed"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/suggest"
)

//go:embed kube-proxy.toml
var kubeProxyFields string

// whyMode is the reason why neither a flag nor a patch sets the mode.
const whyMode = "set networking.kubeProxyMode"

// kubeProxyKind is the file that kubeProxyConfigPatches change. Its fixed fields would contradict
// mkube's settings, or have no effect.
var kubeProxyKind = document{
	program: names.KubeProxy, kind: "KubeProxyConfiguration", versions: []string{"kubeproxy.config.k8s.io/v1alpha1"},
	schema: schemaOf(kubeProxyFields),
	fixed: []fixedField{
		{[]string{"mode"}, whyMode},
		{[]string{"hostnameOverride"}, whyNodeName},
		{[]string{"clientConnection", "kubeconfig"}, whyCertificate},
		{[]string{"ipvs"}, "mkube has no mode ipvs"},
		{[]string{"winkernel"}, "nodes run Linux"},
		{[]string{"windowsRunAsService"}, "nodes run Linux"},
		{[]string{"portRange"}, "kube-proxy ignores it"},
	},
}

// A proxyFlag is the field of a KubeProxyConfiguration that a flag of kube-proxy sets.
type proxyFlag struct {
	// field is its path. "MODE" in it stands for the table of the cluster's mode.
	field string
	read  func(value string) (field any, wanted string)
}

// proxyFlags are the flags of kube-proxy that have a field. With --config, kube-proxy ignores them,
// so mkube sets the field. See
// https://kubernetes.io/docs/reference/command-line-tools-reference/kube-proxy/.
var proxyFlags = map[string]proxyFlag{
	"bind-address":                      {"bindAddress", readIP},
	"bind-address-hard-fail":            {"bindAddressHardFail", readBool},
	"cluster-cidr":                      {"clusterCIDR", readText},
	"config-sync-period":                {"configSyncPeriod", readPeriod},
	"conntrack-max-per-core":            {"conntrack.maxPerCore", readInt},
	"conntrack-min":                     {"conntrack.min", readInt},
	"conntrack-tcp-be-liberal":          {"conntrack.tcpBeLiberal", readBool},
	"conntrack-tcp-timeout-close-wait":  {"conntrack.tcpCloseWaitTimeout", readDuration},
	"conntrack-tcp-timeout-established": {"conntrack.tcpEstablishedTimeout", readDuration},
	"conntrack-udp-timeout":             {"conntrack.udpTimeout", readDuration},
	"conntrack-udp-timeout-stream":      {"conntrack.udpStreamTimeout", readDuration},
	"detect-local-mode":                 {"detectLocalMode", readText},
	"feature-gates":                     {"featureGates", readGates},
	"healthz-bind-address":              {"healthzBindAddress", readHealth},
	"iptables-localhost-nodeports":      {"iptables.localhostNodePorts", readBool},
	"iptables-masquerade-bit":           {"iptables.masqueradeBit", readInt},
	"iptables-min-sync-period":          {"MODE.minSyncPeriod", readPeriod},
	"iptables-sync-period":              {"MODE.syncPeriod", readPeriod},
	"kube-api-burst":                    {"clientConnection.burst", readInt},
	"kube-api-content-type":             {"clientConnection.contentType", readText},
	"kube-api-qps":                      {"clientConnection.qps", readFloat},
	"masquerade-all":                    {"MODE.masqueradeAll", readBool},
	"metrics-bind-address":              {"metricsBindAddress", readAddress},
	"nodeport-addresses":                {"nodePortAddresses", readList},
	"oom-score-adj":                     {"oomScoreAdj", readInt},
	"pod-bridge-interface":              {"detectLocal.bridgeInterface", readText},
	"pod-interface-name-prefix":         {"detectLocal.interfaceNamePrefix", readText},
	"profiling":                         {"enableProfiling", readBool},
	"show-hidden-metrics-for-version":   {"showHiddenMetricsForVersion", readText},
}

// proxyArgs are the flags that kube-proxy reads although it has a configuration file.
var proxyArgs = []string{
	"v", "vmodule", "logging-format", "log-flush-frequency", "log-json-info-buffer-size", "log-json-split-stream",
	"log-text-info-buffer-size", "log-text-split-stream", "master",
}

// KubeProxyArg reports whether a flag of kube-proxy is a command-line argument, and not a part of
// KubeProxySettings.
func KubeProxyArg(flag string) bool { return slices.Contains(proxyArgs, flag) }

// KubeProxySettings returns the fields of a KubeProxyConfiguration that the user's flags of
// kube-proxy set. The cluster must be valid. See
// https://kubernetes.io/docs/reference/config-api/kube-proxy-config.v1alpha1/.
func (c Cluster) KubeProxySettings() map[string]any {
	settings := table{}
	for flag, value := range c.ExtraArgs[names.KubeProxy] {
		known, ok := proxyFlags[flag]
		if !ok {
			continue
		}
		into := settings
		keys := strings.Split(strings.Replace(known.field, "MODE", string(c.Networking.KubeProxyMode), 1), ".")
		for _, key := range keys[:len(keys)-1] {
			if into[key] == nil {
				into[key] = table{}
			}
			into, _ = into[key].(table)
		}
		into[keys[len(keys)-1]], _ = known.read(value)
	}
	return settings
}

func (m *mistakes) kubeProxyConfigPatches(c Cluster) {
	const path = "kubeProxyConfigPatches"
	perCore := c.setsPerCore()
	for i, tree := range m.patches(path, c.KubeProxyConfigPatches, kubeProxyKind, c) {
		at := itemPath(path, i)
		if value, ok := tree["healthzBindAddress"].(string); ok {
			if _, wanted := readHealth(value); wanted != "" {
				m.addf(at, "sets healthzBindAddress to %s, which must be %s", quote(value), wanted)
			}
		}
		for _, mode := range []ProxyMode{ProxyIPTables, ProxyNFTables} {
			if tree[string(mode)] != nil && c.Networking.KubeProxyMode != mode {
				m.addf(at, "sets %s, which kube-proxy ignores in mode %s", mode, c.Networking.KubeProxyMode)
			}
		}
		if subtable(tree, "conntrack")["min"] != nil && !perCore {
			m.addf(at, "sets conntrack.min, but %s", whyPerCore)
		}
	}
}

const whyPerCore = "kube-proxy ignores it without the maximum per core, which mkube sets to 0"

// setsPerCore reports whether kube-proxy changes the maximum of tracked connections.
func (c Cluster) setsPerCore() bool {
	if value := c.ExtraArgs[names.KubeProxy]["conntrack-max-per-core"]; value != "" && value != "0" {
		return true
	}
	return slices.ContainsFunc(c.KubeProxyConfigPatches, func(text string) bool {
		tree, err := parseYAML(text)
		value, _ := subtable(tree, "conntrack")["maxPerCore"].(int64)
		return err == nil && value != 0
	})
}

func (m *mistakes) kubeProxyFlag(at, flag, value string, c Cluster) {
	if KubeProxyArg(flag) {
		return
	}
	known, ok := proxyFlags[flag]
	if !ok {
		names := slices.Clone(proxyArgs)
		for name := range proxyFlags {
			names = append(names, name)
		}
		slices.Sort(names)
		m.addf(at, "cannot be set: kube-proxy ignores it, because it has a configuration file: use kubeProxyConfigPatches%s", strings.Replace(suggest.DidYouMean(flag, names), ": d", ", or d", 1))
		return
	}
	mode, _, _ := strings.Cut(known.field, ".")
	if mode == string(ProxyIPTables) && c.Networking.KubeProxyMode != ProxyIPTables {
		m.addf(at, "cannot be set: kube-proxy ignores it in mode %s", c.Networking.KubeProxyMode)
		return
	}
	if flag == "conntrack-min" && !c.setsPerCore() {
		m.addf(at, "cannot be set: %s", whyPerCore)
		return
	}
	if _, wanted := known.read(value); wanted != "" {
		m.addf(at, "must be %s, not %s", wanted, quote(value))
	}
}

// The functions below read the value of a flag. If it is wrong, they describe the wanted one.

func readText(value string) (any, string) {
	if value == "" {
		return nil, "a text"
	}
	return value, ""
}

func readBool(value string) (any, string) {
	b, err := strconv.ParseBool(value)
	if err != nil {
		return nil, wantedValue("bool", value)
	}
	return b, ""
}

func readInt(value string) (any, string) {
	i, err := strconv.ParseInt(value, 0, 32)
	if err != nil {
		return nil, "a whole number of at most 32 bits"
	}
	return i, ""
}

func readFloat(value string) (any, string) {
	f, err := strconv.ParseFloat(value, 32)
	if err != nil || f == 0 {
		return nil, "a number that is not 0"
	}
	return f, ""
}

func readDuration(value string) (any, string) { return value, wantedValue("duration", value) }

// readPeriod reads a duration that kube-proxy replaces by its default if it is 0 in the file.
func readPeriod(value string) (any, string) {
	if d, err := time.ParseDuration(value); err != nil || d <= 0 {
		return nil, `a duration such as "30s", longer than 0`
	}
	return value, ""
}

func readList(value string) (any, string) {
	if value == "" {
		return nil, "a list, separated by commas"
	}
	list := []any{}
	for item := range strings.SplitSeq(value, ",") {
		list = append(list, item)
	}
	return list, ""
}

func readIP(value string) (any, string) {
	if _, err := netip.ParseAddr(value); err != nil {
		return nil, "an IP address"
	}
	return value, ""
}

// readAddress reads an address with or without a port.
func readAddress(value string) (any, string) {
	if _, err := netip.ParseAddr(value); err == nil {
		return value, ""
	}
	if a, err := netip.ParseAddrPort(value); err != nil || a.Port() == 0 {
		return nil, `an IP address and a port, such as "0.0.0.0:10249"`
	}
	return value, ""
}

// readHealth reads the address of the health checks.
func readHealth(value string) (any, string) {
	const port = "10256"
	if !local(value) && !answersAt(value, port) {
		return nil, net.JoinHostPort("0.0.0.0", port) + ", [::]:" + port + " or 127.0.0.1:" + port + ", because mkube checks the health at 127.0.0.1"
	}
	return value, ""
}

func readGates(value string) (any, string) {
	gates := table{}
	for pair := range strings.SplitSeq(value, ",") {
		name, on, _ := strings.Cut(pair, "=")
		enabled, err := strconv.ParseBool(on)
		if err != nil || !gateName.MatchString(name) {
			return nil, `a list such as "GateA=true,GateB=false"`
		}
		gates[name] = enabled
	}
	return gates, ""
}
