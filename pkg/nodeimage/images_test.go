package nodeimage

import (
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestWithFolders(t *testing.T) {
	t.Parallel()
	dir := func(path string) entry { return entry{Path: path, Mode: fs.ModeDir | 0o755} }
	file := func(path string) entry { return entry{Path: path, Mode: 0o644, Source: "/s"} }
	for name, test := range map[string]struct{ in, want []entry }{
		"nothing":           {nil, nil},
		"at the top":        {[]entry{file("a")}, []entry{file("a")}},
		"below":             {[]entry{file("a/b/c"), file("a/b/d")}, []entry{dir("a"), dir("a/b"), file("a/b/c"), file("a/b/d")}},
		"a folder that is":  {[]entry{file("a/b"), {Path: "a", Link: "c"}}, []entry{{Path: "a", Link: "c"}, file("a/b")}},
		"sorted, not grown": {[]entry{file("z"), file("a/z"), file("a")}, []entry{file("a"), file("a/z"), file("z")}},
	} {
		if got := withFolders(test.in); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: withFolders = %v; want %v", name, got, test.want)
		}
	}
}

func TestImages(t *testing.T) {
	t.Parallel()
	b := &builder{versions: Versions{Kubernetes: "v1.37.2", Etcd: "3.7.0-0", CoreDNS: "v1.14.6", Pause: "3.10.2", LocalPath: "v0.0.33", MetricsServer: "v0.9.0"}}
	outputs := map[string]string{"kubernetes": "/k", "coredns": "/c", "pause": "/p", "local-path-provisioner": "/l"}
	tools := []entry{{Path: "usr/sbin/nft", Mode: 0o755, Source: "/t/nft"}}
	list := b.images(outputs, extras{tools: tools, busybox: "/b", page: "/p"})
	var names []string
	for _, i := range list {
		names = append(names, strings.TrimPrefix(i.Name, "registry.k8s.io/"))
		program, _, _ := strings.Cut(names[len(names)-1], ":")
		if program = program[strings.LastIndex(program, "/")+1:]; i.Name != WebImage && !strings.HasSuffix(i.Entrypoint[0], "/"+program) {
			t.Errorf("%s begins with %q", i.Name, i.Entrypoint)
		}
		if !has(slices.Concat(i.Layers...), strings.TrimPrefix(i.Entrypoint[0], "/")) {
			t.Errorf("%s has no %s", i.Name, i.Entrypoint[0])
		}
	}
	want := []string{
		"kube-apiserver:v1.37.2", "kube-controller-manager:v1.37.2", "kube-scheduler:v1.37.2", "kube-proxy:v1.37.2",
		"metrics-server/metrics-server:v0.9.0", "mkube.dev/cloud-controller-manager:v1.37.2", "etcd:3.7.0-0", "docker.io/rancher/local-path-provisioner:v0.0.33",
		"mkube.dev/web:1", "coredns/coredns:v1.14.6", "pause:3.10.2",
	}
	if !slices.Equal(names, want) {
		t.Errorf("images are %q; want %q", names, want)
	}
	for _, i := range list[4:7] {
		if !reflect.DeepEqual(list[0].Layers, i.Layers) {
			t.Errorf("kube-apiserver and %s do not share the layer of the one binary", i.Name)
		}
	}
	if web := list[8]; !has(web.Layers[0], "bin/sh") {
		t.Errorf("the web server has the files %v; want a shell", web.Layers)
	}
	if proxy := list[3]; len(proxy.Layers) != 2 || !has(proxy.Layers[1], "usr/sbin/nft") {
		t.Errorf("kube-proxy has the layers %v; want the tools in its second", proxy.Layers)
	}
}

func has(layer []entry, path string) bool {
	return slices.ContainsFunc(layer, func(e entry) bool { return e.Path == path })
}
