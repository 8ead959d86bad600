package bootstrap

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/component"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/provider"
)

// rootCA is the ConfigMap in each namespace with the certificate of the authority, with which pods
// verify the API server. kube-controller-manager writes it. See
// https://kubernetes.io/docs/concepts/storage/projected-volumes/.
const rootCA = "kube-root-ca.crt"

// rootCAKey is the key of the certificate in rootCA.
const rootCAKey = "ca.crt"

// restartPods restarts the containers of pods that read the certificate of the cluster's authority,
// after the certificate was replaced: most programs read it only when they start. It first waits
// until the pods have the new one. It does not restart pods that may not run again, such as those
// of Jobs.
func restartPods(ctx context.Context, c *cluster.Cluster) error {
	if err := component.Eventually(ctx, func() error { return published(ctx, c) }); err != nil {
		return err
	}
	data, err := c.API.Raw(ctx, "/api/v1/pods", "")
	if err != nil {
		return err
	}
	var list struct{ Items []reader }
	if err := json.Unmarshal(data, &list); err != nil {
		return fmt.Errorf("reading the pods: %w", err)
	}
	copies := map[string][]string{}
	for _, pod := range list.Items {
		if path := pod.rootCAPath(); path != "" {
			copies[pod.Spec.NodeName] = append(copies[pod.Spec.NodeName], path)
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, n := range c.KubernetesNodes() {
		if paths := copies[n.Name()]; len(paths) > 0 {
			g.Go(func() error { return restartReaders(ctx, n, paths) })
		}
	}
	return g.Wait()
}

// published returns nil if each rootCA contains the certificate of the cluster's authority.
func published(ctx context.Context, c *cluster.Cluster) error {
	data, err := c.API.Raw(ctx, "/api/v1/configmaps?fieldSelector=metadata.name="+rootCA, "")
	if err != nil {
		return err
	}
	var list struct {
		Items []struct {
			Metadata struct{ Namespace string }
			Data     map[string]string
		}
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return fmt.Errorf("reading the ConfigMaps %s: %w", rootCA, err)
	}
	want := string(c.PKI.Cluster.CertPEM())
	for _, m := range list.Items {
		if m.Data[rootCAKey] != want {
			return fmt.Errorf("kube-controller-manager has not updated ConfigMap %s in namespace %s", rootCA, m.Metadata.Namespace)
		}
	}
	return nil
}

// A reader is the part of a pod that says whether it reads rootCA.
type reader struct {
	Metadata struct{ UID string }
	Spec     struct {
		NodeName, RestartPolicy string
		Volumes                 []struct {
			Name      string
			Projected struct {
				Sources []struct {
					ConfigMap struct {
						Name  string
						Items []struct{ Key, Path string }
					}
				}
			}
		}
	}
}

// rootCAPath returns the path on its node of the first copy of rootCA in the pod's volumes. It returns ""
// if there is none, or if the pod's containers may not run again.
func (r reader) rootCAPath() string {
	if r.Spec.RestartPolicy != "Always" {
		return ""
	}
	for _, volume := range r.Spec.Volumes {
		for _, source := range volume.Projected.Sources {
			if source.ConfigMap.Name != rootCA {
				continue
			}
			file := rootCAKey
			for _, item := range source.ConfigMap.Items {
				if item.Key == rootCAKey {
					file = item.Path
				}
			}
			return strings.Join([]string{podDir, r.Metadata.UID, "volumes/kubernetes.io~projected", volume.Name, file}, "/")
		}
	}
	return ""
}

// podDir is the kubelet's folder with a folder for each pod, named by its UID.
const podDir = "/var/lib/kubelet/pods"

// restartingReader waits until the file $1 in a volume of a pod is the certificate of the
// authority, and stops the containers of the pod. The kubelet updates volumes every few seconds. A
// pod that no longer exists has no file.
const restartingReader = `set -e
while [ -e "$1" ] && ! cmp -s "$1" ` + names.PKIDir + `/ca.crt; do sleep 0.5; done
pod=${1#` + podDir + `/}
crictl ps --quiet --label "io.kubernetes.pod.uid=${pod%%/*}" | xargs --no-run-if-empty crictl --timeout 30s stop --timeout 10 >/dev/null`

// restartReaders restarts the pods with these copies of rootCA, eight at the same time.
func restartReaders(ctx context.Context, n provider.Node, paths []string) error {
	err := n.Run(ctx, provider.Cmd{
		Args:  []string{"xargs", "--max-procs", "8", "--max-args", "1", "sh", "-c", restartingReader, "sh"},
		Stdin: strings.NewReader(strings.Join(paths, "\n")),
	})
	if err != nil {
		return fmt.Errorf("restarting pods on %s: %w", n.Name(), err)
	}
	return nil
}
