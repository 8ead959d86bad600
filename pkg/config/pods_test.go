package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestValidateExtraFiles(t *testing.T) {
	t.Parallel()
	text := new("x")
	const own = "nodes[0].extraMounts[0], which hides the file: choose another path, or remove the file and mount it"
	for name, test := range map[string]struct {
		files map[string][]ExtraFile
		want  string
	}{
		"a file":            {map[string][]ExtraFile{"kube-apiserver": {{HostPath: "a.yaml", Path: "/etc/kubernetes/extra/a.yaml"}}}, ""},
		"a text":            {map[string][]ExtraFile{"etcd": {{Content: text, Path: "/a"}}}, ""},
		"an empty text":     {map[string][]ExtraFile{"etcd": {{Content: new(""), Path: "/a"}}}, ""},
		"a key":             {map[string][]ExtraFile{"kube-apiserver": {{Content: text, Path: "/etc/kubernetes/pki/mine.key"}}}, ""},
		"one of two":        {map[string][]ExtraFile{"etcd": {{Content: text, Path: "/a"}}, "kube-scheduler": {{Content: new("x"), Path: "/a"}}}, ""},
		"no content":        {map[string][]ExtraFile{"etcd": {{Path: "/a"}}}, "extraFiles.etcd[0] has no content: set hostPath to a file of this host, or content to the text"},
		"two contents":      {map[string][]ExtraFile{"etcd": {{HostPath: "a", Content: text, Path: "/a"}}}, "extraFiles.etcd[0] has both hostPath and content: remove one of them"},
		"a shell's path":    {map[string][]ExtraFile{"etcd": {{HostPath: "~/a", Path: "/a"}}}, `extraFiles.etcd[0].hostPath must be a path without ~, which only a shell expands, not "~/a"`},
		"a large text":      {map[string][]ExtraFile{"etcd": {{Content: new(strings.Repeat("x", maxFile+1)), Path: "/a"}}}, "extraFiles.etcd[0] is larger than 1 MiB"},
		"no path":           {map[string][]ExtraFile{"etcd": {{Content: text}}}, "extraFiles.etcd[0].path is missing: set it to an absolute path"},
		"a relative path":   {map[string][]ExtraFile{"etcd": {{Content: text, Path: "a"}}}, `extraFiles.etcd[0].path must be an absolute path without trailing slash and without .., such as /etc/kubernetes/extra/policy.yaml, not "a"`},
		"an odd path":       {map[string][]ExtraFile{"etcd": {{Content: text, Path: "/a/../b"}}}, `extraFiles.etcd[0].path must be an absolute path without trailing slash and without .., such as /etc/kubernetes/extra/policy.yaml, not "/a/../b"`},
		"a colon":           {map[string][]ExtraFile{"etcd": {{Content: text, Path: "/a:b"}}}, `extraFiles.etcd[0].path must have no colon, which a pod's mount cannot have: "/a:b"`},
		"in memory":         {map[string][]ExtraFile{"etcd": {{Content: text, Path: "/run/a"}}}, `extraFiles.etcd[0].path "/run/a" cannot be used: /run is empty when a node boots: choose a folder such as /etc/kubernetes/extra`},
		"a static pod":      {map[string][]ExtraFile{"etcd": {{Content: text, Path: "/etc/kubernetes/manifests/a.yaml"}}}, `extraFiles.etcd[0].path "/etc/kubernetes/manifests/a.yaml" cannot be used: the kubelet would run it as a static pod: choose a folder such as /etc/kubernetes/extra`},
		"mkube's own":       {map[string][]ExtraFile{"etcd": {{Content: text, Path: "/etc/kubernetes/admin.conf"}}}, `extraFiles.etcd[0].path "/etc/kubernetes/admin.conf" cannot be used: it would replace /etc/kubernetes/admin.conf, a file that mkube writes: choose another path`},
		"in a mount":        {map[string][]ExtraFile{"etcd": {{Content: text, Path: "/mnt/a/b"}}}, `extraFiles.etcd[0].path "/mnt/a/b" is in ` + own},
		"twice":             {map[string][]ExtraFile{"etcd": {{Content: text, Path: "/a"}, {Content: text, Path: "/a"}}}, "extraFiles.etcd[1].path is also that of extraFiles.etcd[0]: a path of the node can have only one file"},
		"another text":      {map[string][]ExtraFile{"etcd": {{Content: text, Path: "/a"}}, "kube-proxy": {{Content: new("y"), Path: "/a"}}}, "extraFiles.kube-proxy[0].path is also that of extraFiles.etcd[0]: a path of the node can have only one file"},
		"of no static pod":  {map[string][]ExtraFile{"kubelet": {{Content: text, Path: "/a"}}}, "extraFiles.kubelet is not a static pod: the static pods are etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kube-proxy, cloud-controller-manager"},
		"of a misspelt one": {map[string][]ExtraFile{"kube-apisrver": {{Content: text, Path: "/a"}}}, `extraFiles.kube-apisrver is not a component: did you mean "kube-apiserver"?`},
	} {
		c := Cluster{Nodes: []Node{{ExtraMounts: []Mount{{HostPath: "/a", ContainerPath: "/mnt/a"}}}}, ExtraFiles: test.files}
		if got := problems(c); got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, test.want)
		}
	}
}

func TestValidateExtraVolumes(t *testing.T) {
	t.Parallel()
	const at = "extraVolumes.kube-apiserver"
	for name, test := range map[string]struct {
		volumes []ExtraVolume
		want    string
	}{
		"a folder":      {[]ExtraVolume{{Name: "a", HostPath: "/a", MountPath: "/b", ReadOnly: true, PathType: "DirectoryOrCreate"}}, ""},
		"a socket":      {[]ExtraVolume{{HostPath: "/run/kms.sock", MountPath: "/run/kms.sock"}}, ""},
		"a wrong type":  {[]ExtraVolume{{HostPath: "/a", MountPath: "/b", PathType: "Folder"}}, at + `[0].pathType must be "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice" or "BlockDevice", not "Folder"`},
		"no path":       {[]ExtraVolume{{MountPath: "/b"}}, at + "[0].hostPath is missing: set it to an absolute path"},
		"no mount":      {[]ExtraVolume{{HostPath: "/b"}}, at + "[0].mountPath is missing: set it to an absolute path"},
		"mkube's name":  {[]ExtraVolume{{Name: "audit-log", HostPath: "/a", MountPath: "/b"}}, at + `[0].name "audit-log" is also that of one of mkube's own volumes: choose another`},
		"mkube's mount": {[]ExtraVolume{{HostPath: "/a", MountPath: "/etc/ssl/certs"}}, at + `[0].mountPath "/etc/ssl/certs" is also that of one of mkube's own volumes: choose another`},
		"a name twice":  {[]ExtraVolume{{HostPath: "/a", MountPath: "/b"}, {Name: "extra-volume-0", HostPath: "/a", MountPath: "/c"}}, at + `[1].name "extra-volume-0" is also that of extraVolumes.kube-apiserver[0]: choose another`},
		"a mount twice": {[]ExtraVolume{{HostPath: "/a", MountPath: "/b"}, {HostPath: "/c", MountPath: "/b"}}, at + `[1].mountPath "/b" is also that of extraVolumes.kube-apiserver[0]: choose another`},
		"a file's path": {[]ExtraVolume{{HostPath: "/a", MountPath: "/f"}}, at + `[0].mountPath "/f" is also that of extraFiles.kube-apiserver[0]: choose another`},
		"an odd name":   {[]ExtraVolume{{Name: "A", HostPath: "/a", MountPath: "/b"}}, at + `[0].name must be at most 63 lower-case letters, digits and inner hyphens, not "A"`},
		"a given name":  {[]ExtraVolume{{Name: "extra-mount-0", HostPath: "/a", MountPath: "/b"}}, at + `[0].name must not be one of those that mkube gives to volumes: "extra-mount-0"`},
	} {
		c := Cluster{
			ExtraFiles:   map[string][]ExtraFile{"kube-apiserver": {{HostPath: "f", Path: "/f"}}},
			ExtraVolumes: map[string][]ExtraVolume{"kube-apiserver": test.volumes},
		}
		if got := problems(c); got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, test.want)
		}
	}
}

func TestWithFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good, missing := write("good", "text"), filepath.Join(dir, "missing")
	c := Cluster{ExtraFiles: map[string][]ExtraFile{
		"etcd":           {{HostPath: good, Path: "/a"}, {Content: new("own"), Path: "/b"}},
		"kube-apiserver": {{HostPath: missing, Path: "/a"}, {HostPath: dir, Path: "/b"}, {HostPath: write("large", strings.Repeat("x", maxFile+1)), Path: "/d"}, {HostPath: write("binary", "\xff"), Path: "/e"}},
	}}
	got, err := c.WithFiles()
	var want []string
	for _, problem := range []string{"[0].hostPath MISSING does not exist on this host", "[1].hostPath DIR is not a regular file", "[2].hostPath LARGE is larger than 1 MiB", "[3].hostPath BINARY is not a text in UTF-8"} {
		for word, path := range map[string]string{"MISSING": missing, "DIR": dir, "LARGE": filepath.Join(dir, "large"), "BINARY": filepath.Join(dir, "binary")} {
			problem = strings.ReplaceAll(problem, word, quote(path))
		}
		want = append(want, "extraFiles.kube-apiserver"+problem)
	}
	wantError(t, err, strings.Join(want, "\n"))
	if files := got.ExtraFiles["etcd"]; !reflect.DeepEqual(files, []ExtraFile{{Content: new("text"), Path: "/a"}, {Content: new("own"), Path: "/b"}}) {
		t.Errorf("the files are %+v", files)
	}
	if c.ExtraFiles["etcd"][0].HostPath != good {
		t.Error("WithFiles changed its receiver")
	}
}
