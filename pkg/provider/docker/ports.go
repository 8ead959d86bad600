package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/names"
)

// apiServerPort is the port of kube-apiserver on a node.
const apiServerPort = names.APIServerPort

// ports returns the ports that a node publishes: the port of the API server, if all clients use
// this node, and the port mappings of the configuration.
func ports(cfg config.Cluster, i int, free *freePorts) (nat.PortSet, nat.PortMap, error) {
	exposed, bindings := nat.PortSet{}, nat.PortMap{}
	add := func(port int32, protocol, address string, hostPort int32) error {
		protocol = strings.ToLower(cmp.Or(protocol, "TCP"))
		address = cmp.Or(address, free.listen)
		if addr, err := netip.ParseAddr(address); err == nil {
			address = addr.Unmap().String()
		}
		if hostPort == 0 {
			var err error
			if hostPort, err = free.choose(protocol, address); err != nil {
				return err
			}
		}
		key := nat.Port(fmt.Sprintf("%d/%s", port, protocol))
		exposed[key] = struct{}{}
		bindings[key] = append(bindings[key], nat.PortBinding{HostIP: address, HostPort: strconv.Itoa(int(hostPort))})
		return nil
	}
	if entrance(cfg) == i {
		if err := add(apiServerPort, "TCP", cfg.Networking.APIServerAddress, cfg.Networking.APIServerPort); err != nil {
			return nil, nil, err
		}
	}
	for _, m := range cfg.Nodes[i].ExtraPortMappings {
		if err := add(m.ContainerPort, m.Protocol, m.ListenAddress, m.HostPort); err != nil {
			return nil, nil, err
		}
	}
	return exposed, bindings, nil
}

// entrance returns the index of the node that clients of the API use: the load balancer if there is
// one, otherwise the first control plane.
func entrance(cfg config.Cluster) int {
	role := config.ControlPlane
	if cfg.Count(config.LoadBalancer) > 0 {
		role = config.LoadBalancer
	}
	return slices.IndexFunc(cfg.Nodes, func(n config.Node) bool { return n.Role == role })
}

// The range from which mkube chooses free ports. It is below the range from which Linux takes the
// ports of outgoing connections (32768 and up). Such a connection could occupy a node's port at the
// moment at which the node starts again. It is also below the node ports of Kubernetes (30000 and
// up), which users often map to the same port of the host.
const (
	firstFreePort = 20000
	lastFreePort  = 29999
)

// freePorts chooses host ports for one create or add. A port must stay the same over restarts of
// the node and the engine, but the engine chooses a new one at each start. So mkube writes a number
// into the container's configuration. Neither the configuration nor another container has that
// number, and nothing listens on it if the engine is local.
//
// Only the engine knows the other used ports, in particular a remote engine, and a port can be
// taken before the node starts. If the engine refuses a chosen port, mkube creates the node again
// with another port (see boot).
type freePorts struct {
	listen string // the address for ports without one
	local  bool   // set if the engine's ports are this host's

	mu     sync.Mutex
	taken  map[string]bool // keys like "23456/tcp"
	chosen map[string]bool // keys like "23456"
}

// freePorts returns a chooser that avoids the ports of the configuration and of all containers. The
// engine lists only those of running containers, but a stopped node needs its own ports when it
// starts again.
func (p *Provider) freePorts(ctx context.Context, cfg config.Cluster) (*freePorts, error) {
	f := &freePorts{listen: placeOf(ctx, p.client).listen, local: local(p.client), taken: map[string]bool{}, chosen: map[string]bool{}}
	f.take("tcp", cfg.Networking.APIServerPort)
	for _, n := range cfg.Nodes {
		for _, m := range n.ExtraPortMappings {
			f.take(strings.ToLower(m.Protocol), m.HostPort)
		}
	}
	list, err := p.client.ContainerList(ctx, container.ListOptions{All: true})
	if err != nil {
		return nil, fmt.Errorf("listing the ports of containers: %w", err)
	}
	for _, c := range list {
		for _, port := range c.Ports {
			f.take(port.Type, int32(port.PublicPort))
		}
		if c.State == "running" || c.Labels[labelCluster] == "" {
			continue
		}
		inspect, err := p.client.ContainerInspect(ctx, c.ID)
		if err != nil {
			continue // the container was removed in the meantime
		}
		for key, bindings := range inspect.HostConfig.PortBindings {
			for _, b := range bindings {
				port, _ := strconv.Atoi(b.HostPort) // without a number it is 0, which is never chosen
				f.take(key.Proto(), int32(port))
			}
		}
	}
	return f, nil
}

func portKey(protocol string, port int32) string { return fmt.Sprintf("%d/%s", port, protocol) }

func (f *freePorts) take(protocol string, port int32) { f.taken[portKey(protocol, port)] = true }

// choose returns a port that nothing else uses, and never returns it again.
func (f *freePorts) choose(protocol, address string) (int32, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range 1000 { // random tries, enough unless almost all ports are taken
		port := firstFreePort + rand.Int32N(lastFreePort-firstFreePort+1)
		if f.taken[portKey(protocol, port)] {
			continue
		}
		f.take(protocol, port)
		if f.local && listens(protocol, address, port) {
			continue
		}
		f.chosen[strconv.Itoa(int(port))] = true
		return port, nil
	}
	return 0, fmt.Errorf("no free %s port from %d to %d on %s: choose a port with hostPort", protocol, firstFreePort, lastFreePort, address)
}

// listens reports whether a port of this host is in use. It returns false for SCTP, which Go does
// not support, and for an address that this host does not have: only the engine knows those.
func listens(protocol, address string, port int32) bool {
	hostPort := net.JoinHostPort(address, strconv.Itoa(int(port)))
	var err error
	switch protocol {
	case "tcp":
		var l net.Listener
		if l, err = net.Listen(ofFamily(protocol, address), hostPort); err == nil {
			l.Close()
		}
	case "udp":
		var c net.PacketConn
		if c, err = net.ListenPacket(ofFamily(protocol, address), hostPort); err == nil {
			_ = c.Close() // it was opened only to see whether that works
		}
	}
	return errors.Is(err, syscall.EADDRINUSE)
}

// ofFamily returns the network for one family, such as "tcp4". Without the family, Go would listen
// on both families for 0.0.0.0.
func ofFamily(protocol, address string) string {
	if strings.Contains(address, ":") {
		return protocol + "6"
	}
	return protocol + "4"
}

var portNumber = regexp.MustCompile(`:([0-9]+)`)

// lost reports whether err is the engine's error for a port that was chosen here but is taken.
func (f *freePorts) lost(err error) bool {
	if !portTaken(err) {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(portNumber.FindAllStringSubmatch(err.Error(), -1), func(m []string) bool { return f.chosen[m[1]] })
}

// portTaken reports whether err means that the engine could not publish a port.
func portTaken(err error) bool {
	return strings.Contains(err.Error(), "port is already allocated") || strings.Contains(err.Error(), "address already in use")
}
