package docker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/docker/docker/client"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

var _ provider.Placer = (*Provider)(nil)

// place describes where an engine publishes ports, as seen from this host.
type place struct {
	// host is the name or address of the engine's host. If empty, the loopback interface of the
	// engine is this host's: the engine is local, or in a virtual machine that forwards its ports
	// to this host.
	host string
	// listen is the address for published ports if the configuration sets none.
	listen string
}

// placeOf derives the place from the URL of the engine. A unix socket is always local: Docker
// Desktop, colima and lima forward both the socket and the published ports.
func placeOf(ctx context.Context, c *client.Client) place {
	here := place{listen: config.Loopback}
	u, err := url.Parse(c.DaemonHost())
	if err != nil {
		return here
	}
	host := ""
	switch u.Scheme {
	case "tcp", "http", "https":
		host = u.Hostname()
	case "ssh":
		host = sshHostname(ctx, u)
	}
	if host == "" || isLoopback(host) || isUnspecified(host) {
		return here
	}
	host = strings.ToLower(host)
	return place{host: host, listen: everywhere(ctx, host)}
}

func isLoopback(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Unmap().IsLoopback()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// everywhere returns the unspecified address of a host. It is of IPv6 if the host has only IPv6
// addresses.
func everywhere(ctx context.Context, host string) string {
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	only6 := err == nil && len(addrs) > 0 && !slices.ContainsFunc(addrs, func(a netip.Addr) bool { return a.Unmap().Is4() })
	if only6 {
		return netip.IPv6Unspecified().String()
	}
	return netip.IPv4Unspecified().String()
}

// reached returns the host at which this host reaches a port that is published at an address of the
// engine's host.
func (p place) reached(address string) string {
	addr, err := netip.ParseAddr(address)
	switch {
	case address != "" && (err != nil || !addr.IsUnspecified()):
		return address
	case p.host != "":
		return p.host
	case addr.Is6():
		return netip.IPv6Loopback().String()
	}
	return config.Loopback
}

// Place adapts the configuration to the place of the engine, see place. With a remote engine, ports
// are published on all addresses of its host unless the configuration sets one. The certificate of
// the API server contains the name with which mkube reaches that host.
func (p *Provider) Place(ctx context.Context, cfg config.Cluster) (config.Cluster, []string, error) {
	at := placeOf(ctx, p.client)
	placed := cfg.PublishedAt(at.listen)
	if at.host == "" {
		return placed, nil, nil
	}
	if certifiable(at.host) && !slices.Contains(placed.Networking.APIServerHosts(), at.host) {
		placed.Networking.APIServerCertSANs = append(slices.Clone(placed.Networking.APIServerCertSANs), at.host)
	}
	warnings, errs := at.unreachable(placed)
	return placed, warnings, errors.Join(append(errs, at.relative(placed)...)...)
}

var hostName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`)

// certifiable reports whether a certificate can contain the name or address of a host. mkube
// reaches a host without that, such as one with letters beyond ASCII in its name, too: see
// cluster.External.
func certifiable(host string) bool {
	addr, err := netip.ParseAddr(host)
	return hostName.MatchString(host) || err == nil && addr.Zone() == ""
}

// unreachable returns a problem for each port that is published on the loopback address of a remote
// engine.
func (p place) unreachable(cfg config.Cluster) (warnings []string, errs []error) {
	if n := cfg.Networking; isLoopback(n.APIServerAddress) {
		if n.APIServerPort == 0 {
			errs = append(errs, fmt.Errorf("networking.apiServerAddress: %s is the loopback address of the Docker daemon's host %s, which this machine cannot reach: remove this field, or set apiServerPort and forward that port (ssh -L)", n.APIServerAddress, p.host))
		} else {
			warnings = append(warnings, fmt.Sprintf("networking.apiServerAddress: %s is the loopback address of the Docker daemon's host %s: the cluster only comes up if port %d of this machine is forwarded there (ssh -L)", n.APIServerAddress, p.host, n.APIServerPort))
		}
	}
	for i, n := range cfg.Nodes {
		for j, m := range n.ExtraPortMappings {
			if isLoopback(m.ListenAddress) {
				warnings = append(warnings, fmt.Sprintf("nodes[%d].extraPortMappings[%d].listenAddress: %s is the loopback address of the Docker daemon's host %s: this machine cannot reach it", i, j, m.ListenAddress, p.host))
			}
		}
	}
	return warnings, errs
}

func isUnspecified(address string) bool {
	addr, err := netip.ParseAddr(address)
	return err == nil && addr.Unmap().IsUnspecified()
}

// relative returns an error for each relative host path: it would be relative to a folder of this
// host.
func (p place) relative(cfg config.Cluster) (errs []error) {
	for i, n := range cfg.Nodes {
		for j, m := range n.ExtraMounts {
			if !filepath.IsAbs(m.HostPath) {
				errs = append(errs, fmt.Errorf("nodes[%d].extraMounts[%d].hostPath: %q is relative, but the files are on the Docker daemon's host %s: use an absolute path of that host", i, j, m.HostPath, p.host))
			}
		}
	}
	return errs
}
