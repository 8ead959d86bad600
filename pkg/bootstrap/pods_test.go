package bootstrap_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"path"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	strict "sigs.k8s.io/yaml"

	"github.com/mkube/mkube/internal/testing/componenttest"
	"github.com/mkube/mkube/pkg/bootstrap"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// A podOf is a pod of mkube's, and the files of the node that it runs on. They include the files
// of all other components there.
type podOf struct {
	name  string
	spec  corev1.PodSpec
	files []provider.File
}

// pods returns all pods of a cluster with two control planes, a worker and every addon: static
// pods, those of Deployments, and those in ConfigMaps.
func pods(t *testing.T) []podOf {
	t.Helper()
	cfg := config.Cluster{Nodes: []config.Node{{}, {}, {Role: config.Worker}}, Addons: config.Addons()}
	c := componenttest.Cluster(t, cfg)
	files := map[string][]provider.File{}
	var list []podOf
	for _, comp := range bootstrap.Components(c.Config) {
		for _, n := range comp.Nodes(c) {
			own, err := comp.RenderFiles(c, n)
			if err != nil {
				t.Fatal(err)
			}
			files[n.Name()] = append(files[n.Name()], own...)
		}
	}
	for _, comp := range bootstrap.Components(c.Config) {
		for _, n := range comp.Nodes(c) {
			var documents []byte
			var err error
			if comp.Manifest != nil && comp.Unit == "" {
				var f provider.File
				f, err = comp.Manifest(c, n)
				documents = f.Data
			}
			if comp.Objects != nil && err == nil {
				var objects []byte
				objects, err = comp.Objects(c)
				documents = append(append(documents, "\n---\n"...), objects...)
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, spec := range podSpecs(t, documents) {
				list = append(list, podOf{comp.Name + " on " + n.Name(), spec, files[n.Name()]})
			}
		}
	}
	return list
}

// podSpecs returns the pods in YAML documents.
func podSpecs(t *testing.T, documents []byte) []corev1.PodSpec {
	t.Helper()
	var list []corev1.PodSpec
	for reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(documents))); ; {
		doc, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return list
		}
		var object struct {
			Kind string
			Data map[string]string
			Spec struct {
				corev1.PodSpec `json:",inline"`
				Template       corev1.PodTemplateSpec
			}
		}
		if err := errors.Join(err, strict.Unmarshal(doc, &object)); err != nil {
			t.Fatal(err)
		}
		switch object.Kind {
		case "Pod":
			list = append(list, object.Spec.PodSpec)
		case "Deployment", "DaemonSet", "StatefulSet", "Job":
			list = append(list, object.Spec.Template.Spec)
		case "ConfigMap":
			for _, value := range object.Data {
				if strings.Contains(value, "kind: Pod\n") {
					list = append(list, podSpecs(t, []byte(value))...)
				}
			}
		}
	}
}

// TestPods checks that the tests below see each kind of pod.
func TestPods(t *testing.T) {
	t.Parallel()
	count := map[string]int{}
	for _, p := range pods(t) {
		name, _, _ := strings.Cut(p.name, " ")
		count[name]++
	}
	for name, want := range map[string]int{
		"etcd": 2, "kube-apiserver": 2, "kube-controller-manager": 2, "kube-scheduler": 2, "kube-proxy": 3,
		"cloud-controller-manager": 3, "coredns": 1, "metrics-server": 1,
	} {
		if count[name] != want {
			t.Errorf("%d pods of %s were checked; want %d", count[name], name, want)
		}
	}
}

// TestPodsMountNoKeyOfOthers checks each file of the node with a private key that a pod can read.
// The pod's flags name the file, or a file names it that the flags name.
func TestPodsMountNoKeyOfOthers(t *testing.T) {
	t.Parallel()
	for _, p := range pods(t) {
		named := named(p)
		for _, v := range p.spec.Volumes {
			if v.HostPath == nil {
				continue
			}
			for _, f := range p.files {
				if private(f) && inFolder(f.Path, v.HostPath.Path) && !strings.Contains(named, f.Path+" ") {
					t.Errorf("%s mounts %s, and with it the key in %s, which none of its flags names", p.name, v.HostPath.Path, f.Path)
				}
			}
		}
	}
}

// TestPodsMountWhatTheirFlagsName checks that each file of the node that the flags of a pod name is
// mounted.
func TestPodsMountWhatTheirFlagsName(t *testing.T) {
	t.Parallel()
	for _, p := range pods(t) {
		named := named(p)
		for _, f := range p.files {
			mounted := slices.ContainsFunc(p.spec.Volumes, func(v corev1.Volume) bool {
				return v.HostPath != nil && inFolder(f.Path, v.HostPath.Path)
			})
			if strings.Contains(named, f.Path+" ") && !mounted {
				t.Errorf("%s does not mount %s, which one of its flags names", p.name, f.Path)
			}
		}
	}
}

// named returns the command of a pod, and the content of the files that it names, but not of keys.
// A space follows each word.
func named(p podOf) string {
	var b strings.Builder
	for _, c := range p.spec.Containers {
		b.WriteString(strings.Join(append(slices.Clone(c.Command), c.Args...), " ") + " ")
	}
	flags := b.String()
	for _, f := range p.files {
		if strings.Contains(flags, f.Path+" ") && !private(f) {
			b.WriteString(strings.ReplaceAll(string(f.Data), "\n", " ") + " ")
		}
	}
	return b.String()
}

// private reports whether a file contains a key that must stay secret.
func private(f provider.File) bool {
	secret := bytes.ReplaceAll(f.Data, []byte(" PUBLIC KEY-----"), nil)
	return bytes.Contains(secret, []byte(" KEY-----")) || bytes.Contains(f.Data, []byte("client-key-data"))
}

func inFolder(file, folder string) bool {
	folder = path.Clean(folder)
	return file == folder || strings.HasPrefix(file, strings.TrimSuffix(folder, "/")+"/")
}

// TestPodsHaveASeccompProfile checks that each pod has the profile of the runtime, and that no
// container replaces it.
func TestPodsHaveASeccompProfile(t *testing.T) {
	t.Parallel()
	for _, p := range pods(t) {
		if s := p.spec.SecurityContext; s == nil || s.SeccompProfile == nil || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
			t.Errorf("%s has no seccomp profile RuntimeDefault", p.name)
		}
		for _, c := range p.spec.Containers {
			if c.SecurityContext != nil && c.SecurityContext.SeccompProfile != nil {
				t.Errorf("%s: container %s has a seccomp profile of its own", p.name, c.Name)
			}
		}
	}
}
