//go:build e2e

package e2e

import (
	"strconv"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
)

// TestStorage stores files on each kind of node: on a control plane and on a worker.
func TestStorage(t *testing.T) {
	t.Parallel()
	c := create(t, "e2e-storage", "", "--workers", "1")
	loadWeb(t, c)
	t.Run("there is a default class", func(t *testing.T) {
		if out := c.kubectl(t, "get", "storageclasses", "--no-headers"); !strings.HasPrefix(out, "standard (default)") {
			t.Error(out)
		}
	})
	t.Run("nodes mount NFS volumes, and have what CSI drivers run", func(t *testing.T) {
		// This kernel may have no NFS. The lock daemon of version 3 needs none.
		const programs = "command -v mount.nfs mount.nfs4 umount.nfs iscsiadm mkfs.ext4 fsck.ext4 resize2fs && start-statd && systemctl is-active rpc-statd"
		if r := c.sh(t, programs); r.code != 0 || !strings.HasSuffix(r.stdout, "\nactive\n") {
			t.Error(r)
		}
	})
	t.Run("a pod has users of its own", func(t *testing.T) { ownUsers(t, c) })
	for _, role := range []string{"worker", "control-plane"} {
		v := keptVolume{cluster: c, node: c.name + "-" + role, name: role}
		t.Run("a claim is bound when a pod on the "+role+" first uses it", v.bind)
		t.Run("who is not root writes there, as its group", v.write)
		t.Run("the next pod finds what the last one wrote", v.replace)
		t.Run("and so does it after a restart of the node", v.reboot)
		t.Run("with the claim goes the volume and what was in it", v.remove)
	}
	t.Run("a claim with the longest names goes with whatever its pod stored", func(t *testing.T) { removeLitter(t, c) })
	t.Run("an event says which access modes there are", func(t *testing.T) { refuseAccessMode(t, c) })
}

// ownUsers runs a pod with a user namespace, and with volumes of several kinds.
func ownUsers(t *testing.T, c cluster) {
	c.apply(t, strings.Replace(claim, "NAME", "mapped", 1)+`---
apiVersion: v1
kind: Pod
metadata: {name: mapped}
spec:
  hostUsers: false
  terminationGracePeriodSeconds: 0
  containers:
  - name: web
    image: mkube/e2e-web:test
    imagePullPolicy: Never
    volumeMounts: [{name: data, mountPath: /data}, {name: scratch, mountPath: /scratch}]
  volumes:
  - {name: data, persistentVolumeClaim: {claimName: mapped}}
  - {name: scratch, emptyDir: {medium: Memory}}
`, "apply", "-f", "-")
	c.kubectl(t, "wait", "--for=condition=Ready", "--timeout=180s", "pod/mapped")
	out := c.kubectl(t, "exec", "mapped", "--", "sh", "-c", "touch /data/x /scratch/x && cat /proc/self/uid_map")
	if fields := strings.Fields(out); len(fields) != 3 || fields[0] != "0" || fields[1] == "0" || fields[2] != "65536" {
		t.Errorf("the users of the pod are mapped to %q", out)
	}
	c.kubectl(t, "delete", "pod/mapped", "pvc/mapped")
}

// keptVolume is a claim and the pod that uses it, both with the same name, on a node.
type keptVolume struct {
	cluster
	node, name string
}

const claim = `apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: NAME}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Mi}}
`

const claimant = `apiVersion: v1
kind: Pod
metadata: {name: NAME}
spec:
  nodeSelector: {kubernetes.io/hostname: NODE}
  tolerations: [{operator: Exists}]
  terminationGracePeriodSeconds: 0
  securityContext: {runAsUser: 1000, runAsGroup: 1000, fsGroup: 2000}
  containers:
  - name: web
    image: mkube/e2e-web:test
    imagePullPolicy: Never
    command: [sleep, "86400"]
    volumeMounts: [{name: data, mountPath: /data}]
  volumes:
  - {name: data, persistentVolumeClaim: {claimName: NAME}}
`

func (v keptVolume) filled(manifest string) string {
	return strings.NewReplacer("NAME", v.name, "NODE", v.node).Replace(manifest)
}

// run starts the pod and waits until it is Ready.
func (v keptVolume) run(t *testing.T) {
	t.Helper()
	v.apply(t, v.filled(claimant), "apply", "-f", "-")
	v.kubectl(t, "wait", "--for=condition=Ready", "--timeout=180s", "pod/"+v.name)
}

func (v keptVolume) bind(t *testing.T) {
	v.apply(t, v.filled(claim), "apply", "-f", "-")
	if phase := v.kubectl(t, "get", "pvc", v.name, "-o", "jsonpath={.status.phase}"); phase != "Pending" && phase != "" {
		t.Errorf("without a pod the claim is %s", phase)
	}
	v.run(t)
	if got := v.kubectl(t, "get", "pvc", v.name, "-o", "jsonpath={.status.phase} {.spec.storageClassName}"); got != "Bound standard" {
		t.Errorf("with a pod the claim is %s", got)
	}
	if got := v.kubectl(t, "get", "pod", v.name, "-o", "jsonpath={.spec.nodeName}"); got != v.node {
		t.Errorf("the pod is on %s", got)
	}
}

func (v keptVolume) write(t *testing.T) {
	v.kubectl(t, "exec", v.name, "--", "sh", "-c", "echo kept >/data/file")
	listed := strings.Fields(v.kubectl(t, "exec", v.name, "--", "ls", "-ln", "/data/file"))
	if len(listed) < 4 || listed[2] != "1000" || listed[3] != "2000" {
		t.Errorf("the file is listed as %q; want it to be of user 1000 and group 2000", listed)
	}
	if got := v.onNode(t); !strings.HasSuffix(got, "kept\n") {
		t.Errorf("on the node there is %q", got)
	}
}

// onNode returns the files in the volume's folder on the node.
func (v keptVolume) onNode(t *testing.T) string {
	t.Helper()
	return try(t, "", "exec", v.node, "--", "sh", "-c", "cd /var/local-path-provisioner && head -n 99 *_default_"+v.name+"/*").stdout
}

func (v keptVolume) reads(t *testing.T) {
	t.Helper()
	if got := v.kubectl(t, "exec", v.name, "--", "cat", "/data/file"); got != "kept\n" {
		t.Errorf("the pod reads %q", got)
	}
}

func (v keptVolume) replace(t *testing.T) {
	v.kubectl(t, "delete", "pod", v.name)
	v.run(t)
	v.reads(t)
}

func (v keptVolume) reboot(t *testing.T) {
	if err := daemon.ContainerRestart(t.Context(), v.node, container.StopOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the API server answers", func() (bool, string) {
		r := v.sh(t, "kubectl get --raw /readyz")
		return r.stdout == "ok", r.String()
	})
	eventually(t, "the pod runs again", func() (bool, string) {
		out := v.kubectl(t, "get", "pod", v.name, "-o", "jsonpath={.status.containerStatuses[0].ready} {.status.containerStatuses[0].restartCount}")
		return out == "true 1", out
	})
	v.reads(t)
}

func (v keptVolume) remove(t *testing.T) {
	bound := v.kubectl(t, "get", "pvc", v.name, "-o", "jsonpath={.spec.volumeName}")
	v.kubectl(t, "delete", "pod/"+v.name, "pvc/"+v.name)
	v.volumeGone(t, bound)
	wantNoFolders(t, v.node)
}

// wantNoFolders checks that a node has no folders of volumes.
func wantNoFolders(t *testing.T, node string) {
	t.Helper()
	if r := try(t, "", "exec", node, "--", "ls", "-A", "/var/local-path-provisioner"); r.code != 0 || r.stdout != "" {
		t.Errorf("a folder is left: %s", r)
	}
}

// litter stores what is difficult to remove: folders whose paths are longer than the kernel accepts,
// names that look like options, links to the outside, and files and folders that nobody may read.
const litter = `
cd /data
long=$(busybox printf 'd%.0s' $(busybox seq 100))
path=$(busybox printf "/$long%.0s" $(busybox seq 35))
busybox mkdir -p a$path b$path
busybox mv b a$path/
busybox touch -- -rf "$(busybox printf 'two\nlines')"
busybox ln -s / root
busybox mkfifo fifo
busybox mkdir closed
busybox touch closed/file
busybox chown -R 1000:1000 closed
busybox chmod 000 closed/file closed
`

// litterer is a pod that runs litter, with its claim.
const litterer = claim + `---
apiVersion: v1
kind: Pod
metadata: {name: litterer}
spec:
  restartPolicy: Never
  containers:
  - name: web
    image: mkube/e2e-web:test
    imagePullPolicy: Never
    command: [sh, -e, -c, SCRIPT]
    volumeMounts: [{name: data, mountPath: /data}]
  volumes:
  - {name: data, persistentVolumeClaim: {claimName: NAME}}
`

// removeLitter uses the longest names that Kubernetes accepts for a namespace and a claim.
func removeLitter(t *testing.T, c cluster) {
	namespace, name := strings.Repeat("n", 63), strings.Repeat("c", 253)
	c.kubectl(t, "create", "namespace", namespace)
	eventually(t, "pods can be created", func() (bool, string) {
		r := try(t, "", "kubectl", "--name", c.name, "--", "get", "serviceaccount", "default", "-n", namespace)
		return r.code == 0, r.String()
	})
	c.apply(t, strings.NewReplacer("NAME", name, "SCRIPT", strconv.Quote(litter)).Replace(litterer), "apply", "-n", namespace, "-f", "-")
	c.kubectl(t, "wait", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=180s", "pod/litterer", "-n", namespace)
	node := c.kubectl(t, "get", "pod", "litterer", "-n", namespace, "-o", "jsonpath={.spec.nodeName}")
	volume := c.kubectl(t, "get", "pvc", name, "-n", namespace, "-o", "jsonpath={.spec.volumeName}")
	c.kubectl(t, "delete", "namespace", namespace)
	c.volumeGone(t, volume)
	wantNoFolders(t, node)
}

// refuseAccessMode requests a volume for several nodes, which a folder of one node cannot be.
func refuseAccessMode(t *testing.T, c cluster) {
	shared := keptVolume{cluster: c, node: c.name + "-worker", name: "shared"}
	c.apply(t, strings.ReplaceAll(shared.filled(claim+"---\n"+claimant), "ReadWriteOnce", "ReadWriteMany"), "apply", "-f", "-")
	eventually(t, "an event names the access modes", func() (bool, string) {
		out := c.kubectl(t, "get", "events", "--field-selector", "involvedObject.name=shared,reason=ProvisioningFailed", "-o", "jsonpath={.items[*].message}")
		return strings.Contains(out, "only supports ReadWriteOnce and ReadWriteOncePod"), out
	})
}
