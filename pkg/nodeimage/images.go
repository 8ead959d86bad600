package nodeimage

import (
	"bytes"
	"context"
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

// image and entry are what node-image/containerd/preload reads.
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

// programs are what the multi-call binary answers to.
var programs = []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubectl", "kubelet"}

// preload makes containerd's root directory with the control plane's images. tools
// are the files that kube-proxy runs.
func (b *builder) preload(ctx context.Context, dir string, outputs map[string]string, tools []entry) error {
	list, err := json.Marshal(b.images(outputs, tools))
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

// images are the preloaded images under their upstream names. All of Kubernetes
// and etcd share the layer of the one binary.
func (b *builder) images(outputs map[string]string, tools []entry) []image {
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
			i.Layers = append(i.Layers, withFolders(tools))
		}
		list = append(list, i)
	}
	single := func(name, path, source string) image {
		return image{Name: registry + name, Env: env, Entrypoint: []string{"/" + path},
			Layers: [][]entry{withFolders([]entry{{Path: path, Mode: 0o755, Source: source}})}}
	}
	return append(list,
		image{Name: registry + "etcd:" + b.versions.Etcd, Layers: [][]entry{multicall}, Entrypoint: []string{"/usr/local/bin/etcd"}, Env: env},
		single("coredns/coredns:"+b.versions.CoreDNS, "coredns", filepath.Join(outputs["coredns"], "coredns")),
		single("pause:"+b.versions.Pause, "pause", filepath.Join(outputs["pause"], "pause")),
	)
}

// withFolders puts every folder above an entry before it, and sorts.
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
