package nodeimage

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/semver"
)

// Versions are those of what the image holds. Etcd, CoreDNS and Pause are image
// tags as the upstream registry has them.
type Versions struct {
	Kubernetes, Etcd, CoreDNS, Pause string
}

// pauseTag is the release of upstream's pause image whose contract
// node-image/pause keeps.
const pauseTag = "3.10.2"

// plan says what to build and in which versions, from the modules that pin them.
func (b *builder) plan(ctx context.Context) ([]part, Versions, error) {
	kubernetes, versions, err := b.kubernetes(ctx)
	if err != nil {
		return nil, Versions{}, err
	}
	containerd, err := required(filepath.Join(b.Source, "containerd"), "github.com/containerd/containerd/v2")
	if err != nil {
		return nil, Versions{}, err
	}
	coredns, err := required(filepath.Join(b.Source, "coredns"), "github.com/coredns/coredns")
	if err != nil {
		return nil, Versions{}, err
	}
	crictl, err := required(filepath.Join(b.Source, "crictl"), "sigs.k8s.io/cri-tools")
	if err != nil {
		return nil, Versions{}, err
	}
	versions.CoreDNS, versions.Pause = coredns, pauseTag
	module := func(name, short string) part {
		return part{name: name, short: short, wait: "compiling, once", dir: filepath.Join(b.Source, name), packages: []string{"tool"}}
	}
	c := module("containerd", "containerd "+containerd+", its shim and ctr")
	c.packages = append(c.packages, "./preload")
	c.tags = "no_aufs no_btrfs no_devmapper no_zfs"
	c.ldflags = "-X github.com/containerd/containerd/v2/version.Version=" + containerd
	cr := module("crictl", "crictl "+crictl)
	cr.ldflags = "-X sigs.k8s.io/cri-tools/pkg/version.Version=" + crictl
	pause := module("pause", "the first process of every pod")
	pause.packages = []string{"."}
	return []part{
		kubernetes, c, cr, pause,
		module("coredns", "CoreDNS "+coredns),
		module("cni-plugins", "the standard CNI plugins"),
	}, versions, nil
}

// required is the version of a module that a folder's go.mod pins.
func required(dir, module string) (string, error) {
	mod, err := readMod(filepath.Join(dir, "go.mod"))
	if err != nil {
		return "", err
	}
	for _, r := range mod.Require {
		if r.Mod.Path == module {
			return r.Mod.Version, nil
		}
	}
	return "", fmt.Errorf("%s requires no %s", filepath.Join(dir, "go.mod"), module)
}

func readMod(path string) (*modfile.File, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return modfile.Parse(path, data, nil)
}

// kubernetes is the multi-call binary's part. Its module pins one release; for
// another the module is derived from that release's own go.mod.
func (b *builder) kubernetes(ctx context.Context) (part, Versions, error) {
	dir := filepath.Join(b.Source, "kubernetes")
	version, err := required(dir, "k8s.io/kubernetes")
	if err != nil {
		return part{}, Versions{}, err
	}
	if b.KubernetesVersion != "" && b.KubernetesVersion != version {
		version = b.KubernetesVersion
		if err := checkVersion(version); err != nil {
			return part{}, Versions{}, err
		}
		if dir, err = b.derive(ctx, dir, version); err != nil {
			return part{}, Versions{}, err
		}
	}
	etcd, err := required(dir, "go.etcd.io/etcd/server/v3")
	if err != nil {
		return part{}, Versions{}, err
	}
	p := part{
		name: "kubernetes", dir: dir, packages: []string{"."},
		short:   "Kubernetes " + version + " and etcd " + etcd + ", one binary",
		wait:    "compiling Kubernetes, once: about 10 minutes on two cores",
		ldflags: stamp(version),
	}
	// Upstream's image tag is the release without its v and a build number.
	return p, Versions{Kubernetes: version, Etcd: strings.TrimPrefix(etcd, "v") + "-0"}, nil
}

// stamp are the linker's flags that tell the components their version, as
// upstream's hack/lib/version.sh does. The date is that of no build: the same
// inputs give the same binary.
func stamp(version string) string {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	var flags []string
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		for _, kv := range [][2]string{
			{"gitVersion", version}, {"gitMajor", parts[0]}, {"gitMinor", parts[1]}, {"gitTreeState", "clean"},
		} {
			flags = append(flags, "-X", pkg+"."+kv[0]+"="+kv[1])
		}
	}
	return strings.Join(flags, " ")
}

func checkVersion(version string) error {
	if !semver.IsValid(version) || strings.Count(version, ".") < 2 {
		return fmt.Errorf("Kubernetes version %q is not one: write it as v1.36.4", version)
	}
	if semver.Compare(version, "v1.34.0") < 0 {
		return fmt.Errorf("Kubernetes %s is too old for mkube: the oldest that can be built is v1.34.0", version)
	}
	return nil
}
