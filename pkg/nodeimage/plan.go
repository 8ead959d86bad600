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

// Versions are the versions of the software in the image. All but that of Kubernetes are tags of
// the upstream images.
type Versions struct {
	Kubernetes, Etcd, CoreDNS, Pause, LocalPath, MetricsServer string
}

// metricsServerModule is the only module in the multi-call binary that is neither part of
// Kubernetes nor required by it.
const metricsServerModule = "sigs.k8s.io/metrics-server"

// hasMetricsServer reports whether metrics-server can be built with a Kubernetes release. v0.9.0
// needs types of the API that v1.36 introduced. v0.8.0 does not start with the libraries of v1.35,
// which name models of the API in another way.
func hasMetricsServer(release string) bool { return semver.Compare(release, "v1.36.0") >= 0 }

// plan returns the parts to build and their versions, which it reads from the modules that pin
// them.
func (b *builder) plan(ctx context.Context) ([]part, Versions, error) {
	kubernetes, versions, err := b.kubernetes(ctx)
	if err != nil {
		return nil, Versions{}, err
	}
	pinned := map[string]string{
		"containerd": "github.com/containerd/containerd/v2", "coredns": "github.com/coredns/coredns", "crictl": "sigs.k8s.io/cri-tools",
		"local-path-provisioner": "github.com/rancher/local-path-provisioner", "runc": "github.com/opencontainers/runc",
	}
	for name, module := range pinned {
		if pinned[name], err = required(filepath.Join(b.Source, name), module); err != nil {
			return nil, Versions{}, err
		}
	}
	// No module has this version: it is the release of upstream's pause image with the same contract.
	pauseTag, err := os.ReadFile(filepath.Join(b.Source, "pause", "VERSION"))
	if err != nil {
		return nil, Versions{}, err
	}
	versions.CoreDNS, versions.Pause, versions.LocalPath = pinned["coredns"], strings.TrimSpace(string(pauseTag)), pinned["local-path-provisioner"]
	module := func(name, short string) part {
		return part{name: name, short: short, wait: "compiling, once", dir: filepath.Join(b.Source, name), packages: []string{"tool"}}
	}
	c := module("containerd", "containerd "+pinned["containerd"]+" and ctr, one binary, and the shim")
	c.packages = append(c.packages, ".", "./preload")
	c.tags = "no_aufs no_btrfs no_devmapper no_zfs"
	c.ldflags = "-X github.com/containerd/containerd/v2/version.Version=" + pinned["containerd"]
	cr := module("crictl", "crictl "+pinned["crictl"])
	cr.ldflags = "-X sigs.k8s.io/cri-tools/pkg/version.Version=" + pinned["crictl"]
	pause := module("pause", "the first process of every pod")
	dns := module("coredns", "CoreDNS "+pinned["coredns"])
	node := module("mkube-node", "mkube's own programs on a node")
	pause.packages, dns.packages, node.packages = []string{"."}, []string{"."}, []string{"."}
	storage := module("local-path-provisioner", "local-path-provisioner "+pinned["local-path-provisioner"])
	storage.ldflags = "-X main.VERSION=" + pinned["local-path-provisioner"]
	run := module("runc", "runc "+pinned["runc"])
	run.tags, run.cgo = "seccomp netgo osusergo", true
	return []part{kubernetes, c, run, cr, pause, dns, module("cni-plugins", "the standard CNI plugins"), storage, node}, versions, nil
}

// required returns the version of a module that the go.mod of a folder pins.
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
	return "", fmt.Errorf("%s does not require %s", filepath.Join(dir, "go.mod"), module)
}

func readMod(path string) (*modfile.File, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return modfile.Parse(path, data, nil)
}

// kubernetes returns the part of the multi-call binary. Its module pins one release. For another
// release, the module is derived from the go.mod of that release.
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
	metricsServer, err := required(dir, metricsServerModule)
	if err != nil {
		return part{}, Versions{}, err
	}
	p := part{
		name: "kubernetes", dir: dir, packages: []string{"."},
		short:   "Kubernetes " + version + " and etcd " + etcd + ", one binary",
		wait:    "compiling Kubernetes, once: about 10 minutes on two cores",
		ldflags: stamp(version),
	}
	if !hasMetricsServer(version) {
		metricsServer, p.tags = "", "nometrics"
	}
	// Upstream's image tag is the release without its v, and a build number.
	return p, Versions{Kubernetes: version, Etcd: strings.TrimPrefix(etcd, "v") + "-0", MetricsServer: metricsServer}, nil
}

// stamp returns the linker flags that set the version of the components, as in upstream's
// hack/lib/version.sh. They set no build date, so that the same inputs give the same binary.
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
		return fmt.Errorf("invalid Kubernetes version %q: use a version such as v1.36.4", version)
	}
	if semver.Compare(version, "v1.34.0") < 0 {
		return fmt.Errorf("Kubernetes %s is too old for mkube: the oldest that can be built is v1.34.0", version)
	}
	return nil
}
