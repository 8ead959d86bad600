package component_test

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/mkube/mkube/internal/testing/componenttest"
	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/component/apiserver"
	"github.com/mkube/mkube/pkg/component/cloudcontroller"
	"github.com/mkube/mkube/pkg/component/controllermanager"
	"github.com/mkube/mkube/pkg/component/etcd"
	"github.com/mkube/mkube/pkg/component/kubelet"
	"github.com/mkube/mkube/pkg/component/kubeproxy"
	"github.com/mkube/mkube/pkg/component/scheduler"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

// staticPods are the components of config.StaticPods, in its order.
func staticPods() component.Graph {
	return component.Graph{
		etcd.New(), apiserver.New(), controllermanager.New(), scheduler.New(), kubeproxy.New(), cloudcontroller.New(kubelet.CloudFile),
	}
}

func podOf(t *testing.T, c component.Component, cl *cluster.Cluster, n provider.Node) corev1.Pod {
	t.Helper()
	manifest, err := c.Manifest(cl, n)
	if err != nil {
		t.Fatal(err)
	}
	var pod corev1.Pod
	if err := yaml.UnmarshalStrict(manifest.Data, &pod); err != nil {
		t.Fatalf("%v:\n%s", err, manifest.Data)
	}
	return pod
}

// TestPodMountsAreKnown checks that config knows what mkube's manifests mount.
func TestPodMountsAreKnown(t *testing.T) {
	t.Parallel()
	want(t, "the static pods", staticPods().Names(), config.StaticPods())
	cl := componenttest.Cluster(t, config.Cluster{})
	for _, c := range staticPods() {
		known := config.PodMounts(c.Name)
		for _, m := range podOf(t, c, cl, cl.Nodes[0]).Spec.Containers[0].VolumeMounts {
			if strings.HasPrefix(m.Name, "pki-") {
				if !strings.HasPrefix(m.MountPath, known["pki"]+"/") {
					t.Errorf("%s mounts %s; config has %q", c.Name, m.MountPath, known["pki"])
				}
				continue
			}
			if known[m.Name] != m.MountPath {
				t.Errorf("%s mounts %s at %s; config has %q", c.Name, m.Name, m.MountPath, known[m.Name])
			}
			delete(known, m.Name)
		}
		delete(known, "pki")
		if len(known) > 0 {
			t.Errorf("%s does not mount %v", c.Name, known)
		}
	}
}

// TestExtraFilesOfEveryStaticPod checks that every static pod gets the user's files and volumes on
// every node where the user's settings apply to it, and nowhere else.
func TestExtraFilesOfEveryStaticPod(t *testing.T) {
	t.Parallel()
	const path = "/etc/kubernetes/extra/file"
	for _, c := range staticPods() {
		cl := componenttest.Cluster(t, config.Cluster{
			Nodes:        []config.Node{{}, {Role: config.Worker}},
			ExtraFiles:   map[string][]config.ExtraFile{c.Name: {{Content: new(c.Name), Path: path}}},
			ExtraVolumes: map[string][]config.ExtraVolume{c.Name: {{HostPath: "/a", MountPath: "/b", PathType: "Directory"}}},
		})
		for i, n := range cl.Nodes {
			files, err := c.RenderFiles(cl, n)
			if err != nil {
				t.Fatal(err)
			}
			applies := i == 0 || c.Name == "kube-proxy"
			at := slices.IndexFunc(files, func(f provider.File) bool { return f.Path == path })
			if applies != (at >= 0) || at >= 0 && (string(files[at].Data) != c.Name || files[at].Mode != 0o600) {
				t.Errorf("%s on %s: the file is number %d of %v", c.Name, n.Name(), at, files)
			}
			mounts := ""
			for _, m := range podOf(t, c, cl, n).Spec.Containers[0].VolumeMounts {
				if strings.HasPrefix(m.Name, "extra-") {
					mounts += m.Name + " " + m.MountPath + "\n"
				}
			}
			wanted := map[bool]string{true: "extra-volume-0 /b\nextra-file-0 " + path + "\n"}[applies]
			if mounts != wanted {
				t.Errorf("%s on %s mounts %q; want %q", c.Name, n.Name(), mounts, wanted)
			}
		}
	}
}

// TestVolumesInTheFolderOfKeys checks that a pod does not mount a file from the node's folder of keys
// if the user mounts something else there.
func TestVolumesInTheFolderOfKeys(t *testing.T) {
	t.Parallel()
	cl := componenttest.Cluster(t, config.Cluster{
		ExtraArgs:    map[string]map[string]string{"kube-apiserver": {"tls-cert-file": "/etc/kubernetes/pki/mine/tls.crt"}},
		ExtraVolumes: map[string][]config.ExtraVolume{"kube-apiserver": {{HostPath: "/srv/keys", MountPath: "/etc/kubernetes/pki/mine", PathType: "Directory"}}},
	})
	var mounted []string
	for _, m := range podOf(t, apiserver.New(), cl, cl.Nodes[0]).Spec.Containers[0].VolumeMounts {
		if strings.Contains(m.MountPath, "/mine") || strings.HasSuffix(m.MountPath, "/apiserver.key") {
			mounted = append(mounted, m.Name+" "+m.MountPath)
		}
	}
	want(t, "the mounts", mounted, []string{"pki-5 /etc/kubernetes/pki/apiserver.key", "extra-volume-0 /etc/kubernetes/pki/mine"})
}
