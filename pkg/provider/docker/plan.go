package docker

import (
	"context"
	"encoding/csv"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/alessio/shellescape"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

var _ provider.Planner = (*Provider)(nil)

// Plan returns what Create would do, as docker commands.
func (p *Provider) Plan(ctx context.Context, cfg config.Cluster) (provider.Plan, error) {
	images, err := p.nodeImages(ctx, cfg)
	if err != nil {
		return provider.Plan{}, err
	}
	taken, err := takenSubnets(ctx, p.client, p.machine, cfg)
	if err != nil {
		return provider.Plan{}, err
	}
	options, err := networkOptions(ctx, p.client)
	if err != nil {
		return provider.Plan{}, err
	}
	subnets, ok := taken.first(ipv6(cfg))
	if !ok {
		return provider.Plan{}, errNoSubnet
	}
	free, err := p.freePorts(ctx, cfg)
	if err != nil {
		return provider.Plan{}, err
	}
	granted := privilegesOf(ctx, p.client)
	plan := provider.Plan{
		Make: []string{networkCommand(cfg, subnets, options)},
		Put:  func(n provider.Node) string { return "docker cp - " + n.Name() + ":/" },
	}
	for i := range cfg.Nodes {
		n := p.newNode(cfg, i, "", subnets, images)
		n.free = free
		spec, host, err := nodeSpec(cfg, i, n, granted)
		if err != nil {
			return provider.Plan{}, err
		}
		plan.Nodes = append(plan.Nodes, n)
		plan.Make = append(plan.Make, shellescape.QuoteCommand(createCommand(cfg.Name, n, spec, host)))
		plan.Start = append(plan.Start, "docker start "+n.name)
	}
	return plan, nil
}

func networkCommand(cfg config.Cluster, subnets []netip.Prefix, options map[string]string) string {
	args := []string{"docker", "network", "create", "--driver", "bridge", "--label", labelCluster + "=" + cfg.Name}
	for _, s := range subnets {
		args = append(args, "--subnet", s.String(), "--gateway", s.Addr().Next().String())
	}
	if ipv6(cfg) {
		args = append(args, "--ipv6")
	}
	for _, key := range slices.Sorted(maps.Keys(options)) {
		args = append(args, "--opt", key+"="+options[key])
	}
	return shellescape.QuoteCommand(append(args, networkName(cfg.Name)))
}

// createCommand returns the docker command that creates a node's container, see
// https://docs.docker.com/reference/cli/docker/container/create/.
func createCommand(cluster string, n *node, spec *container.Config, host *container.HostConfig) []string {
	args := []string{
		"docker", "create", "--name", n.name, "--hostname", spec.Hostname, "--tty", "--cgroupns", string(host.CgroupnsMode),
		"--restart", fmt.Sprintf("%s:%d", host.RestartPolicy.Name, host.RestartPolicy.MaximumRetryCount),
		"--network", networkName(cluster),
	}
	args = append(args, addressFlags(n.attached)...)
	args = append(args, pairs("--label", spec.Labels, "=")...)
	args = append(args, pairs("--tmpfs", host.Tmpfs, ":")...)
	args = append(args, pairs("--sysctl", host.Sysctls, "=")...)
	for _, port := range slices.Sorted(maps.Keys(host.PortBindings)) {
		for _, b := range host.PortBindings[port] {
			args = append(args, "--publish", net.JoinHostPort(b.HostIP, b.HostPort)+":"+string(port))
		}
	}
	for _, bind := range host.Binds {
		args = append(args, "--volume", bind)
	}
	for _, m := range host.Mounts {
		args = append(args, "--mount", mountFlag(m))
	}
	args = append(args, privilegeFlags(host)...)
	if host.NanoCPUs > 0 {
		args = append(args, "--cpus", fmt.Sprintf("%.3f", float64(host.NanoCPUs)/1e9))
	}
	if host.Memory > 0 {
		args = append(args, "--memory", fmt.Sprint(host.Memory), "--memory-swap", fmt.Sprint(host.MemorySwap))
	}
	return append(args, spec.Image)
}

func addressFlags(a *network.EndpointIPAMConfig) []string {
	args := []string{"--ip", a.IPv4Address}
	if a.IPv6Address != "" {
		args = append(args, "--ip6", a.IPv6Address)
	}
	return args
}

// pairs returns a flag for each key, sorted by key.
func pairs(flag string, m map[string]string, between string) []string {
	var args []string
	for _, key := range slices.Sorted(maps.Keys(m)) {
		args = append(args, flag, key+between+m[key])
	}
	return args
}

func mountFlag(m mount.Mount) string {
	parts := []string{"type=" + string(m.Type)}
	if m.Source != "" {
		parts = append(parts, "source="+m.Source)
	}
	parts = append(parts, "target="+m.Target)
	if m.ReadOnly {
		parts = append(parts, "readonly")
	}
	if m.VolumeOptions != nil {
		parts = append(parts, "volume-nocopy")
		for _, key := range slices.Sorted(maps.Keys(m.VolumeOptions.Labels)) {
			parts = append(parts, "volume-label="+key+"="+m.VolumeOptions.Labels[key])
		}
	}
	if m.BindOptions != nil {
		parts = append(parts, "bind-propagation="+string(m.BindOptions.Propagation))
	}
	return csvLine(parts)
}

// csvLine returns fields in the format of --mount, which is CSV: a path may contain a comma.
func csvLine(fields []string) string {
	var line strings.Builder
	w := csv.NewWriter(&line)
	_ = w.Write(fields) // writes to a strings.Builder do not fail
	w.Flush()
	return strings.TrimSuffix(line.String(), "\n")
}

func privilegeFlags(host *container.HostConfig) []string {
	if host.Privileged {
		return []string{"--privileged"}
	}
	var args []string
	add := func(flag string, values []string) {
		for _, v := range values {
			args = append(args, flag, v)
		}
	}
	add("--cap-add", host.CapAdd)
	add("--cap-drop", host.CapDrop)
	add("--security-opt", append(slices.Clone(host.SecurityOpt), "systempaths=unconfined"))
	add("--device-cgroup-rule", host.DeviceCgroupRules)
	for _, d := range host.Devices {
		args = append(args, "--device", d.PathOnHost+":"+d.PathInContainer+":"+d.CgroupPermissions)
	}
	return args
}
