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

// machine is what Check inspects on the host of mkube. Tests replace the functions.
type machine struct {
	networks hostnet.Networks
	// memory returns the memory that the kernel can give to new programs, and free the space that
	// can still be written below a folder, both in bytes.
	memory func() (bytes uint64, ok bool)
	free   func(dir string) (bytes uint64, ok bool)
	// kernel returns the release of the kernel.
	kernel func() string
	// beside reports whether mkube runs in another container next to the daemon at a local socket.
	// Then the ports and files that mkube sees are not the daemon's.
	beside func(host string) bool
	// inotify returns the limit of inotify instances for each user, and the number that root uses
	// as far as this user can see.
	inotify func() (limit, used int, ok bool)
}

// sameKernel reports whether the daemon's containers run on the kernel that mkube runs on.
func (p *Provider) sameKernel(info system.Info) bool {
	return info.KernelVersion == p.machine.kernel()
}

// checkMounts returns an error for each path that does not exist: the daemon creates none.
func checkMounts(cfg config.Cluster) error {
	var errs []error
	for i, n := range cfg.Nodes {
		for j, m := range n.ExtraMounts {
			path, err := filepath.Abs(m.HostPath)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			// A path that only root may look up is left to the daemon.
			if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
				errs = append(errs, fmt.Errorf("nodes[%d].extraMounts[%d].hostPath: %s does not exist: create it, or choose another path", i, j, path))
			}
		}
	}
	return errors.Join(errs...)
}

// The memory and disk space, in bytes, that a node needs so that its pods can start. All are
// estimates, measured on idle nodes, with a reserve.
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

// checkMemory compares the estimate with the available memory of this host. If the daemon runs
// elsewhere, it compares with the total memory of the daemon's host.
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

// The number of inotify instances that a node needs. On 2026-11-28, an idle control plane used 29,
// and an idle worker 13. The rest is for the first pods of a user, each of which may use some. A
// load balancer uses only those of systemd.
const (
	instancesPerNode         = 32
	instancesPerLoadBalancer = 4
)

func neededInstances(cfg config.Cluster) int {
	balancers := cfg.Count(config.LoadBalancer)
	return (len(cfg.Nodes)-balancers)*instancesPerNode + balancers*instancesPerLoadBalancer
}

// checkInotify warns about the limit that makes pods fail with "too many open files". The limit
// applies to each user of the host, and all nodes belong to one user: root, or the user of a
// rootless daemon. The number that a rootless daemon's user has in its own user namespace cannot be
// seen.
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
		// The proposed limit leaves room for more: 1024 is enough for 32 nodes.
		return fmt.Errorf("%d of the %d inotify instances that %s may have are free, and the cluster needs about %d, or its pods fail with \"too many open files\": sudo sysctl fs.inotify.max_user_instances=%d",
			max(0, limit-used), limit, user, need, max(1024, limit*4))
	}
	return nil
}
