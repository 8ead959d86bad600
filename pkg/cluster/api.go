package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// API is the cluster's API server, seen from the host by an administrator. The
// connection is made when it is first needed.
type API struct {
	cluster *Cluster
	mu      sync.Mutex
	config  *rest.Config
	http    *http.Client
	dynamic dynamic.Interface
}

// Kinds of objects that mkube works with.
var (
	Nodes           = schema.GroupVersionResource{Version: "v1", Resource: "nodes"}
	Deployments     = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	Pods            = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	ServiceAccounts = schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}
)

// connect finds the server. A failure is not kept: the next call tries again.
func (a *API) connect(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.dynamic != nil {
		return nil
	}
	server, err := a.cluster.ExternalServer(ctx)
	if err != nil {
		return err
	}
	admin, err := a.cluster.PKI.Admin()
	if err != nil {
		return err
	}
	config := &rest.Config{
		Host: server, QPS: -1,
		TLSClientConfig: rest.TLSClientConfig{CAData: a.cluster.PKI.Cluster.CertPEM(), CertData: admin.Cert, KeyData: admin.Key},
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return err
	}
	dyn, err := dynamic.NewForConfigAndClient(config, client)
	if err != nil {
		return err
	}
	a.config, a.http, a.dynamic = config, client, dyn
	return nil
}

// Resource is the objects of a kind, in all namespaces.
func (a *API) Resource(ctx context.Context, kind schema.GroupVersionResource) (dynamic.NamespaceableResourceInterface, error) {
	if err := a.connect(ctx); err != nil {
		return nil, err
	}
	return a.dynamic.Resource(kind), nil
}

// Check asks a health endpoint, such as /readyz. A failing answer is an error that
// names the failing checks.
func (a *API) Check(ctx context.Context, path string) error {
	if err := a.connect(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.config.Host+path, nil)
	if err != nil {
		return err
	}
	response, err := a.http.Do(request)
	if err != nil {
		return fmt.Errorf("%s does not answer: %w", path, unwrapURL(err))
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		return fmt.Errorf("%s does not answer: %w", path, err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %d%s", path, response.StatusCode, failing(string(body)))
	}
	return nil
}

// failing are the checks that a health endpoint's verbose answer marks by [-].
func failing(body string) string {
	var names []string
	for line := range strings.Lines(body) {
		if rest, ok := strings.CutPrefix(line, "[-]"); ok {
			name, _, _ := strings.Cut(rest, " ")
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return ": not yet " + strings.Join(names, ", ")
}

// unwrapURL takes the URL away from a client's error: the path says enough.
func unwrapURL(err error) error {
	if inner := errors.Unwrap(err); inner != nil {
		return inner
	}
	return err
}

// Apply creates the objects of a multi-document YAML manifest, see Create.
func (a *API) Apply(ctx context.Context, manifest []byte) error {
	var objects []unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(manifest), 4096)
	for {
		var object unstructured.Unstructured
		if err := decoder.Decode(&object); err == io.EOF {
			return a.Create(ctx, objects)
		} else if err != nil {
			return fmt.Errorf("reading a manifest: %w", err)
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}

// createAtOnce is how many objects are created at the same time.
const createAtOnce = 8

// Create creates objects, several at once and in no order; one that exists already
// is left as it is.
func (a *API) Create(ctx context.Context, objects []unstructured.Unstructured) error {
	if err := a.connect(ctx); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(createAtOnce)
	for i := range objects {
		g.Go(func() error {
			err := a.create(ctx, &objects[i])
			if err != nil && !apierrors.IsAlreadyExists(err) {
				return fmt.Errorf("creating %s %s: %w", objects[i].GetKind(), objects[i].GetName(), err)
			}
			return nil
		})
	}
	return g.Wait()
}

func (a *API) create(ctx context.Context, object *unstructured.Unstructured) error {
	kind := object.GroupVersionKind()
	// Holds for every kind that mkube itself creates; none ends in y or s.
	resource := kind.GroupVersion().WithResource(strings.ToLower(kind.Kind) + "s")
	client := a.dynamic.Resource(resource)
	var err error
	if namespace := object.GetNamespace(); namespace != "" {
		_, err = client.Namespace(namespace).Create(ctx, object, metav1.CreateOptions{FieldManager: "mkube"})
	} else {
		_, err = client.Create(ctx, object, metav1.CreateOptions{FieldManager: "mkube"})
	}
	return err
}
