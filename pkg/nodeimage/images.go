package nodeimage

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// image and entry are the input of node-image/containerd/preload.
type image struct {
	Name       string    `json:"name"`
	Layers     [][]entry `json:"layers"`
	Entrypoint []string  `json:"entrypoint,omitempty"`
	Env        []string  `json:"env,omitempty"`
}

type entry struct {
	Path   string      `json:"path"`
	Mode   fs.FileMode `json:"mode,omitempty"`
	Source string      `json:"source,omitempty"`
	Link   string      `json:"link,omitempty"`
}

// programs lists the names of the multi-call binary.
var programs = []string{
	"cloud-controller-manager", "etcd", "kube-apiserver", "kube-controller-manager", "kube-network-policies", "kube-proxy",
	"kube-scheduler", "kubectl", "kubelet", "metrics-server", "mkube-etcd",
}

// nodePrograms are the names of node-image/mkube-node.
var nodePrograms = []string{"mkube-node-dns", "mkube-node-limits", "mkube-probe", "mkube-resolve", "mkube-volume"}

// WebImage is an image of a small web server, for users without a registry. It serves one page on
// port 80.
const WebImage = "mkube.dev/web:1"

//go:embed web.html
var webPage []byte

// extras are the files of images that are not in the parts.
type extras struct {
	// tools are the files that kube-proxy runs.
	tools []entry
	// busybox is the path of that program, and page the path of a file with webPage.
	busybox, page string
}

// preload writes a root directory of containerd with the images of the control plane.
func (b *builder) preload(ctx context.Context, dir string, outputs map[string]string, x extras) error {
	list, err := json.Marshal(b.images(outputs, x))
	if err != nil {
		return err
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, filepath.Join(outputs["containerd"], "preload"), dir)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(list), &stderr
	if b.Log != nil {
		cmd.Stderr = io.MultiWriter(&stderr, b.Log)
	}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("preloading images: %w\n%s", err, stderr.String())
	}
	return nil
}

// images returns the preloaded images. Images of other projects have their upstream names.
// Kubernetes and etcd share the layer of the one binary.
func (b *builder) images(outputs map[string]string, x extras) []image {
	const registry = "registry.k8s.io/"
	env := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	multicall := []entry{{Path: "usr/local/bin/kubernetes", Mode: 0o755, Source: filepath.Join(outputs["kubernetes"], "kubernetes")}}
	for _, name := range programs {
		multicall = append(multicall, entry{Path: "usr/local/bin/" + name, Link: "kubernetes"})
	}
	multicall = withFolders(multicall)
	var list []image
	for _, name := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"} {
		i := image{Name: registry + name + ":" + b.versions.Kubernetes, Layers: [][]entry{multicall}, Entrypoint: []string{"/usr/local/bin/" + name}, Env: env}
		if name == "kube-proxy" {
			i.Layers = append(i.Layers, withFolders(x.tools))
		}
		list = append(list, i)
	}
	single := func(name, path, source string) image {
		return image{Name: registry + name, Env: env, Entrypoint: []string{"/" + path},
			Layers: [][]entry{withFolders([]entry{{Path: path, Mode: 0o755, Source: source}})}}
	}
	if v := b.versions.MetricsServer; v != "" {
		list = append(list, image{Name: registry + "metrics-server/metrics-server:" + v, Layers: [][]entry{multicall}, Entrypoint: []string{"/usr/local/bin/metrics-server"}, Env: env})
	}
	return append(list,
		image{Name: "mkube.dev/cloud-controller-manager:" + b.versions.Kubernetes, Layers: [][]entry{multicall}, Entrypoint: []string{"/usr/local/bin/cloud-controller-manager"}, Env: env},
		image{Name: registry + "etcd:" + b.versions.Etcd, Layers: [][]entry{multicall}, Entrypoint: []string{"/usr/local/bin/etcd"}, Env: env},
		image{
			Name: "docker.io/rancher/local-path-provisioner:" + b.versions.LocalPath, Entrypoint: []string{"/usr/bin/local-path-provisioner"}, Env: env,
			Layers: [][]entry{
				withFolders([]entry{{Path: "usr/bin/local-path-provisioner", Mode: 0o755, Source: filepath.Join(outputs["local-path-provisioner"], "local-path-provisioner")}}),
			},
		},
		image{
			Name: WebImage, Entrypoint: []string{"/bin/httpd", "-f", "-h", "/srv"}, Env: env,
			Layers: [][]entry{shell(x.busybox), withFolders([]entry{{Path: "srv/index.html", Mode: 0o644, Source: x.page}})},
		},
		single("coredns/coredns:"+b.versions.CoreDNS, "coredns", filepath.Join(outputs["coredns"], "coredns")),
		single("pause:"+b.versions.Pause, "pause", filepath.Join(outputs["pause"], "pause")),
	)
}

// shell returns the layer of an image with a shell.
func shell(busybox string) []entry {
	layer := []entry{{Path: "bin/busybox", Mode: 0o755, Source: busybox}}
	for _, applet := range []string{"cat", "chmod", "chown", "hostname", "httpd", "ip", "ls", "mkdir", "nslookup", "ps", "rm", "sh", "sleep", "wget"} {
		layer = append(layer, entry{Path: "bin/" + applet, Link: "busybox"})
	}
	return withFolders(layer)
}

// withFolders adds every folder above an entry, and sorts the entries.
func withFolders(entries []entry) []entry {
	seen := map[string]bool{}
	var all []entry
	for _, e := range entries {
		seen[e.Path] = true
	}
	for _, e := range entries {
		all = append(all, e)
		for dir := path.Dir(e.Path); dir != "." && !seen[dir]; dir = path.Dir(dir) {
			seen[dir] = true
			all = append(all, entry{Path: dir, Mode: fs.ModeDir | 0o755})
		}
	}
	slices.SortFunc(all, func(a, b entry) int { return strings.Compare(a.Path, b.Path) })
	return all
}
