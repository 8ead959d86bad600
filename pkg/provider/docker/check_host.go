package docker

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/docker/docker/api/types/system"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider/hostnet"
)

// machine is what Check looks at of the machine on which mkube runs. Tests have others.
type machine struct {
	networks hostnet.Networks
	// memory is what the kernel could give to new programs, in bytes; free is what may
	// still be written below a folder.
	memory func() (bytes uint64, ok bool)
	free   func(dir string) (bytes uint64, ok bool)
	// kernel is the kernel's release.
	kernel func() string
	// beside tells whether mkube runs in a container of its own beside the daemon at a
	// local socket: ports and files that it sees are not the daemon's.
	beside func(host string) bool
	// inotify is the limit of instances for each user, and how many of root's are used
	// as far as this user sees them.
	inotify func() (limit, used int, ok bool)
}

// sameKernel tells whether the daemon's containers run on the kernel that mkube runs on.
func (p *Provider) sameKernel(info system.Info) bool {
	return info.KernelVersion == p.machine.kernel()
}

// checkMounts refuses paths that are not there: the daemon makes none.
func checkMounts(cfg config.Cluster) error {
	var errs []error
	for i, n := range cfg.Nodes {
		for j, m := range n.ExtraMounts {
			path, err := filepath.Abs(m.HostPath)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			// What only root may look at is left to the daemon.
			if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
				errs = append(errs, fmt.Errorf("nodes[%d].extraMounts[%d].hostPath: %s does not exist: create it, or choose another path", i, j, path))
			}
		}
	}
	return errors.Join(errs...)
}

// What a node needs so that its pods have room to start. All are estimates: measured on idle
// nodes, with some to spare.
const (
	controlPlaneMemory = 900 << 20
	workerMemory       = 400 << 20
	loadBalancerMemory = 100 << 20
	nodeDisk           = 1 << 30
)

func neededMemory(cfg config.Cluster) (bytes uint64) {
	return uint64(cfg.Count(config.ControlPlane))*controlPlaneMemory +
		uint64(cfg.Count(config.Worker))*workerMemory +
		uint64(cfg.Count(config.LoadBalancer))*loadBalancerMemory
}

// checkMemory compares with what is free here, or with all that the daemon has elsewhere.
func (p *Provider) checkMemory(info system.Info, cfg config.Cluster) error {
	have, ok := uint64(0), false
	if local(p.client) && p.sameKernel(info) {
		have, ok = p.machine.memory()
	}
	if !ok {
		have = uint64(info.MemTotal)
	}
	if need := neededMemory(cfg); have < need {
		return fmt.Errorf("%d MiB of memory are free, and the cluster needs about %d MiB, or its pods are killed: stop other programs, or give the Docker daemon more memory", have>>20, need>>20)
	}
	return nil
}

func (p *Provider) checkDisk(info system.Info, cfg config.Cluster) error {
	have, ok := p.machine.free(info.DockerRootDir)
	if need := uint64(len(cfg.Nodes)) * nodeDisk; ok && have < need {
		return fmt.Errorf("%d MiB are free in %s, and the cluster needs about %d MiB, or its pods are evicted: docker system prune frees space", have>>20, info.DockerRootDir, need>>20)
	}
	return nil
}

// How many inotify instances a node holds. On 2026-11-28 a control plane held 29 and a
// worker 13, both idle; the rest is for a user's first pods, each of which may take some. A
// load balancer has only systemd's.
const (
	instancesPerNode         = 32
	instancesPerLoadBalancer = 4
)

func neededInstances(cfg config.Cluster) int {
	balancers := cfg.Count(config.LoadBalancer)
	return (len(cfg.Nodes)-balancers)*instancesPerNode + balancers*instancesPerLoadBalancer
}

// checkInotify warns of the limit that makes pods fail with "too many open files". It
// is one for each user of the host, and all nodes are one user's: root's, or that of a
// rootless daemon. What the latter has in its own user namespace cannot be seen.
func (p *Provider) checkInotify(info system.Info, cfg config.Cluster) error {
	limit, used, ok := p.machine.inotify()
	if !ok {
		return nil
	}
	user := "root"
	if slices.Contains(info.SecurityOptions, "name=rootless") {
		user, used = "the Docker daemon's user", 0
	}
	if need := neededInstances(cfg); limit-used < need {
		return fmt.Errorf("%d of the %d inotify instances that %s may have are free, and the cluster needs about %d, or its pods fail with \"too many open files\": sudo sysctl fs.inotify.max_user_instances=%d",
			max(0, limit-used), limit, user, need, max(1024, limit*4))
	}
	return nil
}
