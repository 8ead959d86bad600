package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"golang.org/x/sync/errgroup"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/provider"
)

// Create creates the cluster's network and its containers, copies the files of seed into each
// container before its first process runs, and starts all containers at the same time.
func (p *Provider) Create(ctx context.Context, cfg config.Cluster, creation string, seed provider.Seed) ([]provider.Node, error) {
	images, err := p.nodeImages(ctx, cfg)
	if err != nil {
		return nil, err
	}
	networkID, subnets, err := createNetwork(ctx, p.client, p.machine, cfg, creation)
	if err != nil {
		return nil, err
	}
	free, err := p.freePorts(ctx, cfg)
	if err != nil {
		return nil, err
	}
	var nodes []provider.Node
	made := make([]*node, len(cfg.Nodes))
	for i := range cfg.Nodes {
		made[i] = p.newNode(cfg, i, creation, subnets, images)
		made[i].network = networkID
		made[i].free = free
		nodes = append(nodes, made[i])
	}
	files, err := seed(nodes)
	if err != nil {
		return nil, err
	}
	granted := privilegesOf(ctx, p.client)
	g, gctx := errgroup.WithContext(ctx)
	for i, n := range made {
		g.Go(func() error { return p.boot(gctx, cfg, i, n, granted, files[n.name]) })
	}
	return nodes, g.Wait()
}

// newNode returns the i-th node, which has no container yet.
func (p *Provider) newNode(cfg config.Cluster, i int, creation string, subnets []netip.Prefix, images map[string]nodeImage) *node {
	image := images[cfg.Nodes[i].Image]
	return &node{
		client: p.client, name: cfg.NodeNames()[i], role: cfg.Nodes[i].Role,
		ips: nodeAddrs(cfg, i, subnets), attached: attachment(i, subnets), versions: image.versions, parts: image.parts,
		creation: creation, network: networkName(cfg.Name),
	}
}

// nodeImages inspects each node image of a configuration, and returns them by name.
func (p *Provider) nodeImages(ctx context.Context, cfg config.Cluster) (map[string]nodeImage, error) {
	images := map[string]nodeImage{}
	for _, n := range cfg.Nodes {
		if _, ok := images[n.Image]; ok {
			continue
		}
		inspect, err := p.client.ImageInspect(ctx, n.Image)
		if errdefs.IsNotFound(err) {
			return nil, fmt.Errorf("node image %s is not on the Docker daemon: %s builds it", n.Image, buildCommand(n.Image))
		}
		if err != nil {
			return nil, fmt.Errorf("inspecting node image %s: %w", n.Image, err)
		}
		i := nodeImage{versions: versionsFrom(inspect.Config.Labels), parts: partsFolder(inspect)}
		if i.versions.Kubernetes == "" {
			return nil, fmt.Errorf("image %s is not a node image of mkube: mkube build node-image builds one", n.Image)
		}
		images[n.Image] = i
	}
	return images, nil
}

// buildCommand returns the command that builds a node image with this name.
func buildCommand(image string) string {
	if version, ok := strings.CutPrefix(image, "mkube/node:"); ok {
		return "mkube build node-image --kubernetes-version " + version
	}
	return "mkube build node-image --image " + image
}

// nodeImage is what mkube knows about a node image.
type nodeImage struct {
	versions provider.Versions
	// parts is the folder on the daemon's host with the parts of the image. It is "" if nodes read
	// the parts through the image, see partsFolder.
	parts string
}

// partsDir is the folder of a node image for everything that is large or often executed.
const partsDir = "/usr/share/mkube"

// partsFolder returns the folder of the parts on the daemon's host if the storage driver is
// fuse-overlayfs, otherwise "". With fuse-overlayfs, each node is a FUSE mount with its own
// page cache, and the first start of the 160 MB binary takes a second. If the host's folder
// of the parts layer is mounted into the nodes instead, all nodes share the page cache of the host.
func partsFolder(inspect image.InspectResponse) string {
	if inspect.GraphDriver.Name != "fuse-overlayfs" {
		return ""
	}
	data := inspect.GraphDriver.Data
	dirs := append([]string{data["UpperDir"]}, strings.Split(data["LowerDir"], ":")...)
	slices.Reverse(dirs) // the layers are listed from the bottom, the folders from the top
	i := slices.Index(inspect.RootFS.Layers, inspect.Config.Labels[names.LabelParts])
	if i < 0 || len(dirs) != len(inspect.RootFS.Layers) || dirs[i] == "" {
		return ""
	}
	return dirs[i] + partsDir
}

// bootAttempts is the maximum number of attempts to create and start a node. Each attempt uses
// other ports or privileges, so that several failures in a row are unlikely.
const bootAttempts = 10

// boot creates and starts one node. It retries with other privileges or ports if those caused the
// error.
func (p *Provider) boot(ctx context.Context, cfg config.Cluster, i int, n *node, granted privileges, files []provider.File) error {
	err := p.bootAs(ctx, cfg, i, n, granted, files)
	for attempt := 1; err != nil && attempt < bootAttempts; attempt++ {
		switch {
		case len(granted.missing) == 0 && strings.Contains(err.Error(), "unable to apply caps"):
			granted = withoutSysResource() // privilegesOf could not read what the daemon lacks
		case n.free.lost(err):
		default:
			return fmt.Errorf("booting %s: %w", n.name, explain(err))
		}
		if err := p.removeContainer(ctx, n.id); err != nil {
			return fmt.Errorf("removing %s: %w", n.name, err)
		}
		err = p.bootAs(ctx, cfg, i, n, granted, files)
	}
	if err != nil {
		return fmt.Errorf("booting %s: %w", n.name, explain(err))
	}
	return nil
}

// bootAs creates and starts one node with these privileges.
func (p *Provider) bootAs(ctx context.Context, cfg config.Cluster, i int, n *node, granted privileges, files []provider.File) error {
	spec, host, err := nodeSpec(cfg, i, n, granted)
	if err != nil {
		return err
	}
	endpoint := &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{
		n.network: {IPAMConfig: n.attached},
	}}
	if err := ctx.Err(); err != nil {
		return err
	}
	// The daemon may finish a canceled request after Delete has listed the containers. So
	// the requests that create or start something are not canceled.
	making := context.WithoutCancel(ctx)
	made, err := p.client.ContainerCreate(making, spec, host, endpoint, nil, n.name)
	if err != nil {
		return err
	}
	n.id = made.ID
	var archive bytes.Buffer
	if err := provider.Archive(&archive, unmounted(files, cfg.Nodes[i].ExtraMounts)); err != nil {
		return err
	}
	if err := p.client.CopyToContainer(ctx, n.id, "/", &archive, container.CopyToContainerOptions{}); err != nil {
		return fmt.Errorf("copying files to the container: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return p.client.ContainerStart(making, n.id, container.StartOptions{})
}

// explain adds the next step to common errors of the daemon.
func explain(err error) error {
	switch {
	case portTaken(err):
		return fmt.Errorf("%w: choose another host port, or stop the program that listens there", err)
	case strings.Contains(err.Error(), "cannot assign requested address"):
		return fmt.Errorf("%w: the Docker daemon's host does not have this address, choose another", err)
	case strings.Contains(err.Error(), "protocol not supported"):
		return fmt.Errorf("%w: load the kernel module for SCTP on the Docker daemon's host (sudo modprobe sctp), or remove the SCTP port", err)
	case errdefs.IsConflict(err) && strings.Contains(err.Error(), "name"):
		return fmt.Errorf("%w: remove that container, or choose another cluster name with --name", err)
	}
	return err
}

// nodeSpec returns the configuration of the container of the i-th node.
func nodeSpec(cfg config.Cluster, i int, n *node, granted privileges) (*container.Config, *container.HostConfig, error) {
	exposed, bindings, err := ports(cfg, i, n.free)
	if err != nil {
		return nil, nil, err
	}
	mounts, err := mounts(cfg.Nodes[i].ExtraMounts)
	if err != nil {
		return nil, nil, err
	}
	// An overlay cannot be stacked on an overlay. So containerd in the node keeps the layers of its
	// containers on a volume. The volume starts empty (NoCopy), and mkube-node-init fills it: if the
	// daemon copied the /var of the image, that would take a second.
	made := map[string]string{labelCluster: cfg.Name}
	if n.creation != "" {
		made[labelCreation] = n.creation
	}
	mounts = append(mounts, mount.Mount{Type: mount.TypeVolume, Target: "/var", VolumeOptions: &mount.VolumeOptions{
		NoCopy: true, Labels: made,
	}})
	if n.parts != "" {
		mounts = append(mounts, mount.Mount{Type: mount.TypeBind, Source: n.parts, Target: partsDir, ReadOnly: true})
	}
	spec := &container.Config{
		Hostname:     n.name,
		Tty:          true, // a console to which systemd writes the progress of the boot, see Logs
		Image:        cfg.Nodes[i].Image,
		Labels:       maps.Clone(made),
		ExposedPorts: exposed,
	}
	spec.Labels[labelRole], spec.Labels[labelIP], spec.Labels[labelIndex] = string(n.role), joinAddrs(n.ips), strconv.Itoa(i)
	host := &container.HostConfig{
		// systemd expects these in memory.
		Tmpfs:        map[string]string{"/run": "exec", "/tmp": "exec"},
		PortBindings: bindings,
		Mounts:       mounts,
		// The kubelet's cgroups must not mix with the host's.
		CgroupnsMode: container.CgroupnsModePrivate,
		// A node restarts with its daemon, as kind's nodes do. After a failed boot, Docker tries
		// only once more, so that a node that cannot boot does not try forever.
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyOnFailure, MaximumRetryCount: 1},
		Binds:         []string{"/lib/modules:/lib/modules:ro"},
	}
	limits := cfg.Nodes[i].Resources
	host.NanoCPUs, host.Memory = limits.MilliCPUs()*1e6, limits.MemoryBytes()
	host.MemorySwap = host.Memory // the sum of memory and swap: no swap
	if n.attached != nil && n.attached.IPv6Address != "" {
		// Docker disables IPv6 in a container by default, and enables it only for an interface with
		// an IPv6 address. Pods need it on all interfaces.
		host.Sysctls = map[string]string{"net.ipv6.conf.all.disable_ipv6": "0", "net.ipv6.conf.all.forwarding": "1"}
	}
	granted.apply(host)
	return spec, host, nil
}

// mounts returns the extra mounts of a node for Docker.
func mounts(extra []config.Mount) ([]mount.Mount, error) {
	var list []mount.Mount
	for _, m := range extra {
		source, err := filepath.Abs(m.HostPath)
		if err != nil {
			return nil, err
		}
		propagation, err := propagation(m.Propagation)
		if err != nil {
			return nil, err
		}
		list = append(list, mount.Mount{
			Type: mount.TypeBind, Source: source, Target: m.ContainerPath, ReadOnly: m.ReadOnly,
			BindOptions: &mount.BindOptions{Propagation: propagation, CreateMountpoint: false},
		})
	}
	return list, nil
}

// propagation returns Docker's name for a mount propagation of Kubernetes, see
// https://kubernetes.io/docs/concepts/storage/volumes/#mount-propagation.
func propagation(s string) (mount.Propagation, error) {
	switch s {
	case "", "None":
		return mount.PropagationRPrivate, nil
	case "HostToContainer":
		return mount.PropagationRSlave, nil
	case "Bidirectional":
		return mount.PropagationRShared, nil
	}
	return "", errors.New("mount propagation " + s + " is not None, HostToContainer or Bidirectional")
}
