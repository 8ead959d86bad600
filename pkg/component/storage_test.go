package component_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/template"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	strict "sigs.k8s.io/yaml"

	"github.com/mkube/mkube/internal/testing/componenttest"
	"github.com/mkube/mkube/internal/testing/fake"
	"github.com/mkube/mkube/pkg/component/storage"
	"github.com/mkube/mkube/pkg/config"
)

func TestStorageGolden(t *testing.T) {
	t.Parallel()
	componenttest.Golden(t, storage.New(),
		componenttest.Variant{Name: "extra-args", Config: config.Cluster{
			ExtraArgs: map[string]map[string]string{"local-path-provisioner": {"worker-threads": "2"}},
		}},
	)
}

func TestStorageDescribed(t *testing.T) {
	t.Parallel()
	componenttest.Described(t, storage.New())
}

// TestStorageObjects checks that each object is a Kubernetes object without unknown fields. It
// also checks that the class is the default one, and creates volumes on the node of their pod.
func TestStorageObjects(t *testing.T) {
	t.Parallel()
	var (
		class  storagev1.StorageClass
		files  corev1.ConfigMap
		deploy appsv1.Deployment
	)
	componenttest.Objects(t, storage.Objects, map[string]any{
		"Namespace": new(corev1.Namespace), "StorageClass": &class, "ServiceAccount": new(corev1.ServiceAccount),
		"ClusterRole": new(rbacv1.ClusterRole), "ClusterRoleBinding": new(rbacv1.ClusterRoleBinding),
		"Role": new(rbacv1.Role), "RoleBinding": new(rbacv1.RoleBinding), "ConfigMap": &files, "Deployment": &deploy,
	})
	if class.Name != "standard" || class.Annotations["storageclass.kubernetes.io/is-default-class"] != "true" ||
		*class.VolumeBindingMode != storagev1.VolumeBindingWaitForFirstConsumer || *class.ReclaimPolicy != corev1.PersistentVolumeReclaimDelete {
		t.Errorf("the StorageClass is %+v", class)
	}
	wantFolders(t, class)
	wantHelper(t, files.Data, deploy.Spec.Template.Spec.Containers[0].Image)
	if deploy.Spec.Strategy.Type != appsv1.RecreateDeploymentStrategyType {
		t.Errorf("the Deployment is replaced by %s; want never two at once", deploy.Spec.Strategy.Type)
	}
}

// wantHelper checks that the provisioner can read the files in the ConfigMap, and that the
// helper pod uses the provisioner's image, which is on every node.
func wantHelper(t *testing.T, files map[string]string, image string) {
	t.Helper()
	var paths struct {
		NodePathMap []struct {
			Node  string
			Paths []string
		}
		SetupCommand, TeardownCommand string
	}
	if err := json.Unmarshal([]byte(files["config.json"]), &paths); err != nil {
		t.Fatal(err)
	}
	if m := paths.NodePathMap; len(m) != 1 || m[0].Node != "DEFAULT_PATH_FOR_NON_LISTED_NODES" || !slices.Equal(m[0].Paths, []string{"/var/local-path-provisioner"}) {
		t.Errorf("the paths are %+v", m)
	}
	const program = "/usr/local/bin/mkube-volume"
	if paths.SetupCommand != program || paths.TeardownCommand != program {
		t.Errorf("the commands are %q and %q; want %s", paths.SetupCommand, paths.TeardownCommand, program)
	}
	var pod corev1.Pod
	if err := strict.UnmarshalStrict([]byte(files["helperPod.yaml"]), &pod); err != nil {
		t.Fatal(err)
	}
	if c := pod.Spec.Containers[0]; c.Image != image || !strings.HasPrefix(image, "docker.io/rancher/local-path-provisioner:v") || c.ImagePullPolicy != corev1.PullIfNotPresent {
		t.Errorf("the pod for folders is of %s, pulled %s; want %s", c.Image, c.ImagePullPolicy, image)
	}
	mounts, volumes := pod.Spec.Containers[0].VolumeMounts, pod.Spec.Volumes
	if len(mounts) != 1 || len(volumes) != 1 || mounts[0].Name != volumes[0].Name || mounts[0].MountPath != program || volumes[0].HostPath.Path != program {
		t.Errorf("the pod for folders mounts %+v of %+v; want the node's %s", mounts, volumes, program)
	}
	if tolerations := pod.Spec.Tolerations; len(tolerations) != 1 || tolerations[0] != (corev1.Toleration{Operator: corev1.TolerationOpExists}) {
		t.Errorf("the pod for folders tolerates %v; want every taint", tolerations)
	}
}

// wantFolders checks the names that a class gives to folders. A name has at most 255 bytes. The
// provisioner must accept it: it starts with NAMESPACE/CLAIM/, and is in the folder of the volumes.
func wantFolders(t *testing.T, class storagev1.StorageClass) {
	t.Helper()
	pattern, err := template.New("pathPattern").Parse(class.Parameters["pathPattern"])
	if err != nil {
		t.Fatal(err)
	}
	const volume = "pvc-662dc306-6973-4e04-8849-ccf55a313ebb"
	long := volume + "_" + strings.Repeat("n", 63) + "_" + strings.Repeat("c", 253)
	for _, test := range []struct{ namespace, claim, want string }{
		{"default", "data-db-0", volume + "_default_data-db-0"},
		{"a", "b.c", volume + "_a_b.c"},
		{strings.Repeat("n", 63), strings.Repeat("c", 253), long[:255]},
	} {
		var path strings.Builder
		err := pattern.Execute(&path, map[string]any{"PVName": volume, "PVC": metav1.ObjectMeta{Namespace: test.namespace, Name: test.claim}})
		if got := filepath.Join("/volumes", path.String()); err != nil || got != "/volumes/"+test.want {
			t.Errorf("the folder is %s, %v; want %s", got, err, test.want)
		}
		if !strings.HasPrefix(path.String(), test.namespace+"/"+test.claim+"/") || !filepath.IsLocal(path.String()) {
			t.Errorf("the provisioner refuses %s", path.String())
		}
	}
}

func TestStorageStart(t *testing.T) {
	t.Parallel()
	created := componenttest.Created(t, storage.New())
	if len(created) != 9 || created[0] != "/api/v1/namespaces/local-path-storage" || !slices.Contains(created, "/apis/storage.k8s.io/v1/storageclasses/standard") {
		t.Errorf("it created %q; want nine objects, the namespace first", created)
	}
}

func TestStorageReady(t *testing.T) {
	t.Parallel()
	api := componenttest.NewAPI(t, config.Cluster{})
	ready := func(replicas, want string) {
		t.Helper()
		api.Object("/apis/apps/v1/namespaces/local-path-storage/deployments/local-path-provisioner",
			`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"local-path-provisioner","namespace":"local-path-storage"},"spec":{"replicas":1},"status":{`+replicas+`}}`)
		if got := componenttest.Message(storage.New().Ready(context.Background(), api.Cluster, api.Cluster.Nodes[0])); got != want {
			t.Errorf("Ready = %q; want %q", got, want)
		}
	}
	api.Object("/api/v1/namespaces/local-path-storage/pods", `{"apiVersion":"v1","kind":"PodList","items":[]}`)
	ready(``, "deployment local-path-provisioner has no Ready pod")
	ready(`"readyReplicas":1`, "")
}

// TestStorageEffectNotYet checks that the effect leaves no claim if there is no StorageClass,
// because nothing would remove the claim's finalizer.
func TestStorageEffectNotYet(t *testing.T) {
	t.Parallel()
	api := componenttest.NewAPI(t, config.Cluster{})
	api.Object("/apis/storage.k8s.io/v1/storageclasses", `{"apiVersion":"storage.k8s.io/v1","kind":"StorageClassList","items":[]}`)
	if got := componenttest.Message(storage.New().Effect.Try(t.Context(), api.Cluster)); got != "the StorageClass is missing" {
		t.Errorf("Try = %q", got)
	}
	if created := api.Created(); len(created) > 0 {
		t.Errorf("it created %q", created)
	}
}

// TestStorageBackground checks that nothing waits for the component, and that it runs on one
// node's account.
func TestStorageBackground(t *testing.T) {
	t.Parallel()
	c := storage.New()
	cl := componenttest.Cluster(t, config.Cluster{Nodes: []config.Node{{}, {}, {Role: config.Worker}}})
	if on := c.Nodes(cl); !c.Background || len(on) != 1 || on[0].Role() != config.ControlPlane {
		t.Errorf("it is on %d nodes, in the background: %t", len(on), c.Background)
	}
}

// volume returns a PersistentVolume of the provisioner. source is "local" or "hostPath".
func volume(name, node, source, claim, phase, policy string) string {
	return fmt.Sprintf(`{"apiVersion":"v1","kind":"PersistentVolume",
		"metadata":{"name":%q,"annotations":{"local.path.provisioner/selected-node":%q}},
		"spec":{%q:{"path":"/var/local-path-provisioner/%s"},"claimRef":{"namespace":"default","name":%q},"persistentVolumeReclaimPolicy":%q},
		"status":{"phase":%q}}`, name, node, source, name, claim, policy, phase)
}

// volumesAPI returns an API with volumes on the node mkube-worker, which is a node of the cluster,
// and on others.
func volumesAPI(t *testing.T, p *fake.Provider) *componenttest.API {
	t.Helper()
	api := componenttest.NewAPIOf(t, config.Cluster{Nodes: []config.Node{{}, {Role: config.Worker}}}, p)
	items := []string{
		volume("bound", "mkube-worker", "local", "data-db-0", "Bound", "Delete"),
		volume("by-path", "mkube-worker", "hostPath", "data-db-1", "Bound", "Retain"),
		volume("elsewhere", "mkube-control-plane", "local", "data", "Released", "Delete"),
		volume("released", "mkube-worker", "local", "old", "Released", "Delete"),
		volume("retained", "mkube-worker", "local", "kept", "Released", "Retain"),
		`{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"of-the-user"},"spec":{"local":{"path":"/disk"}}}`,
	}
	api.Object("/api/v1/persistentvolumes", `{"apiVersion":"v1","kind":"PersistentVolumeList","items":[`+strings.Join(items, ",")+`]}`)
	return api
}

func TestStorageVolumesOn(t *testing.T) {
	t.Parallel()
	api := volumesAPI(t, new(fake.Provider))
	got, err := storage.VolumesOn(t.Context(), api.Cluster, "mkube-worker")
	want := []storage.Volume{
		{Name: "bound", Claim: "default/data-db-0", Path: "/var/local-path-provisioner/bound"},
		{Name: "by-path", Claim: "default/data-db-1", Path: "/var/local-path-provisioner/by-path"},
		{Name: "released", Path: "/var/local-path-provisioner/released", Released: true},
		{Name: "retained", Path: "/var/local-path-provisioner/retained"},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("VolumesOn = %+v, %v; want %+v", got, err, want)
	}
}

// TestStorageDeleteReleased checks that only volumes are deleted that would be deleted with their
// claim.
func TestStorageDeleteReleased(t *testing.T) {
	t.Parallel()
	api := volumesAPI(t, new(fake.Provider))
	var deleted []string
	api.Handle("/", func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			deleted = append(deleted, r.URL.Path)
		}
		api.Default(w, r)
	})
	if err := storage.DeleteReleased(t.Context(), api.Cluster, "mkube-worker"); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(deleted, []string{"/api/v1/persistentvolumes/released"}) {
		t.Errorf("it deleted %q", deleted)
	}
}

// TestStorageCreateFolders checks that a new node gets the folders of the volumes of its
// predecessor, and that a node without volumes runs no command.
func TestStorageCreateFolders(t *testing.T) {
	t.Parallel()
	code := 0
	p := &fake.Provider{Answer: func(args []string) (string, int, bool) { return "", code, args[0] == "mkdir" }}
	api := volumesAPI(t, p)
	control, worker := api.Cluster.Nodes[0], api.Cluster.Nodes[1]
	if err := storage.CreateFolders(t.Context(), api.Cluster, worker); err != nil {
		t.Fatal(err)
	}
	calls := p.Calls()
	last := calls[len(calls)-1]
	want := "mkdir -m 0777 -p -- /var/local-path-provisioner/bound /var/local-path-provisioner/by-path" +
		" /var/local-path-provisioner/released /var/local-path-provisioner/retained"
	if last.Node != "mkube-worker" || strings.Join(last.Args, " ") != want {
		t.Errorf("on %s it ran %q; want %q", last.Node, last.Args, want)
	}
	code = 1
	got := componenttest.Message(storage.CreateFolders(t.Context(), api.Cluster, worker))
	if !strings.HasPrefix(got, "creating the folders of volumes: ") {
		t.Errorf("CreateFolders = %q", got)
	}
	api.Object("/api/v1/persistentvolumes", `{"apiVersion":"v1","kind":"PersistentVolumeList","items":[]}`)
	if err := storage.CreateFolders(t.Context(), api.Cluster, control); err != nil {
		t.Errorf("without volumes, CreateFolders = %v", err)
	}
}
