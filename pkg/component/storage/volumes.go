package storage

import (
	"cmp"
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/provider"
)

// selectedNode is the annotation in which local-path-provisioner records the node of a volume.
const selectedNode = "local.path.provisioner/selected-node"

// A Volume is a PersistentVolume that local-path-provisioner has created.
type Volume struct {
	Name string
	// Claim is the claim that is bound to the volume, as NAMESPACE/NAME, or "".
	Claim string
	// Path is the folder on the node of the volume.
	Path string
	// Released is set if the claim is deleted, and the volume is to be deleted with it.
	Released bool
}

// VolumesOn returns the volumes on a node, in the order of their names. The node may be gone.
func VolumesOn(ctx context.Context, c *cluster.Cluster, node string) ([]Volume, error) {
	list, err := c.API.List(ctx, cluster.Volumes)
	if err != nil {
		return nil, fmt.Errorf("listing the volumes on node %s: %w", node, err)
	}
	var found []Volume
	for _, object := range list {
		if object.GetAnnotations()[selectedNode] == node {
			found = append(found, volumeOf(object.Object))
		}
	}
	return found, nil
}

func volumeOf(object map[string]any) Volume {
	field := func(path ...string) string {
		value, _, _ := unstructured.NestedString(object, path...) // "" if the API does not set it
		return value
	}
	v := Volume{Name: field("metadata", "name"), Path: cmp.Or(field("spec", "local", "path"), field("spec", "hostPath", "path"))}
	switch field("status", "phase") {
	case "Bound":
		v.Claim = field("spec", "claimRef", "namespace") + "/" + field("spec", "claimRef", "name")
	case "Released":
		v.Released = field("spec", "persistentVolumeReclaimPolicy") == "Delete"
	}
	return v
}

// DeleteReleased deletes the volumes of a node that does not exist any more whose claims are
// deleted. The provisioner does so too, but it waits for up to 1000 seconds if it has tried while
// the node did not run.
func DeleteReleased(ctx context.Context, c *cluster.Cluster, node string) error {
	volumes, err := VolumesOn(ctx, c, node)
	if err != nil {
		return err
	}
	for _, v := range volumes {
		if !v.Released {
			continue
		}
		if err := c.API.Delete(ctx, cluster.Volumes, v.Name); err != nil {
			return fmt.Errorf("deleting the volume %s: %w", v.Name, err)
		}
	}
	return nil
}

// CreateFolders creates the folders of volumes on a new node with the name of a former one, as the
// provisioner creates them. The kubelet does not start a pod whose volume has no folder.
func CreateFolders(ctx context.Context, c *cluster.Cluster, node provider.Node) error {
	volumes, err := VolumesOn(ctx, c, node.Name())
	if err != nil || len(volumes) == 0 {
		return err
	}
	command := []string{"mkdir", "-m", "0777", "-p", "--"}
	for _, v := range volumes {
		command = append(command, v.Path)
	}
	if err := node.Run(ctx, provider.Cmd{Args: command}); err != nil {
		return fmt.Errorf("creating the folders of volumes: %w", err)
	}
	return nil
}
