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

// place is where an engine publishes ports, as this machine sees it.
type place struct {
	// host is the name or address of the engine's host. "" means that its loopback is
	// this machine's: a local engine, or a virtual machine that forwards its ports here.
	host string
	// listen is where ports are published whose address the configuration leaves out.
	listen string
}

// placeOf tells it by the engine's URL. A unix socket is always local: Docker Desktop,
// colima and lima forward both the socket and the published ports.
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

// everywhere is all addresses of a host, of the family by which it is reached.
func everywhere(ctx context.Context, host string) string {
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	only6 := err == nil && len(addrs) > 0 && !slices.ContainsFunc(addrs, func(a netip.Addr) bool { return a.Unmap().Is4() })
	if only6 {
		return netip.IPv6Unspecified().String()
	}
	return netip.IPv4Unspecified().String()
}

// reached is the host by which this machine reaches what is published at an address of
// the engine's host.
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

// Place puts the cluster where the engine is. See place: with a remote engine, ports are
// published on all addresses of its host unless the configuration names one, and the
// certificate of the API server has the name by which mkube reaches that host.
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

// certifiable reports whether a certificate can have the name or address of a host. One
// that it cannot have, such as a name with letters beyond ASCII, is still reached: see
// cluster.External.
func certifiable(host string) bool {
	addr, err := netip.ParseAddr(host)
	return hostName.MatchString(host) || err == nil && addr.Zone() == ""
}

// unreachable is what is published on the loopback of a remote engine.
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

// relative refuses paths that only this machine could complete.
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
