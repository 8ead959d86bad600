package containerd

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// proxyFile is the environment file of containerd's unit. Only root can read it, because the URL of a
// proxy may contain a password. See node-image/rootfs/etc/systemd/system/containerd.service.
const proxyFile = "/etc/mkube/proxy.env"

// proxy returns proxyFile, or nothing for a cluster without a proxy.
func proxy(cfg config.Cluster, n provider.Node) []provider.File {
	if cfg.Proxy == nil || cfg.Proxy.HTTPProxy == "" && cfg.Proxy.HTTPSProxy == "" {
		return nil
	}
	var b strings.Builder
	for _, variable := range [][2]string{
		{"HTTP_PROXY", cfg.Proxy.HTTPProxy}, {"HTTPS_PROXY", cfg.Proxy.HTTPSProxy}, {"NO_PROXY", noProxy(cfg, n)},
	} {
		if variable[1] != "" {
			b.WriteString(variable[0] + "=" + component.Quote(variable[1]) + "\n")
		}
	}
	return []provider.File{{Path: proxyFile, Data: []byte(b.String()), Mode: 0o600}}
}

// noProxy returns what a node reaches directly: what the user lists, the node itself, and the
// networks and the domain of the cluster. A registry may run in any of them.
func noProxy(cfg config.Cluster, n provider.Node) string {
	list := strings.FieldsFunc(cfg.Proxy.NoProxy, func(r rune) bool { return r == ',' || r == ' ' })
	list = append(list, "localhost", "127.0.0.0/8", "::1")
	for _, ip := range n.IPs() {
		list = append(list, networkOf(ip).String())
	}
	networking := cfg.Networking
	list = append(list, strings.Split(networking.PodSubnet+","+networking.ServiceSubnet, ",")...)
	list = append(list, ".svc", "."+networking.DNSDomain)
	var unique []string
	for _, item := range list {
		if !slices.Contains(unique, item) {
			unique = append(unique, item)
		}
	}
	return strings.Join(unique, ",")
}

// networkOf returns the network of the nodes, of which one has the address ip: providers create a /24
// or a /64.
func networkOf(ip netip.Addr) netip.Prefix {
	bits := 24
	if ip.Is6() {
		bits = 64
	}
	return netip.PrefixFrom(ip, bits).Masked()
}
