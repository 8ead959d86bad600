package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// API is the API server of a cluster, which the host uses as an administrator. It connects at the
// first call. It retries a change or a list for up to 20 seconds while the server is temporarily
// unable to make it, for example during a restart.
type API struct {
	// Script is called instead of every change, with the arguments and the input of the kubectl
	// command that makes the change. If nil, the change is made.
	Script func(ctx context.Context, args []string, input []byte) error

	cluster *Cluster
	mu      sync.Mutex
	config  *rest.Config
	http    *http.Client
	dynamic dynamic.Interface
}

// The kinds of objects that mkube uses.
var (
	Nodes           = schema.GroupVersionResource{Version: "v1", Resource: "nodes"}
	Deployments     = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	Pods            = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	ReplicaSets     = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "replicasets"}
	ConfigMaps      = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	Services        = schema.GroupVersionResource{Version: "v1", Resource: "services"}
	Claims          = schema.GroupVersionResource{Version: "v1", Resource: "persistentvolumeclaims"}
	Volumes         = schema.GroupVersionResource{Version: "v1", Resource: "persistentvolumes"}
	ServiceAccounts = schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}
)

// connect prepares the connection to the server. An error is not cached: the next call tries again.
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
		// QPS -1 disables the limit of requests per second in client-go.
		Host: server.URL, QPS: -1, UserAgent: "mkube",
		TLSClientConfig: rest.TLSClientConfig{
			ServerName: server.TLSServerName,
			CAData:     a.cluster.PKI.Cluster.CertPEM(), CertData: admin.Cert, KeyData: admin.Key,
		},
	}
	client, err := httpClient(config)
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

// handshakeLimit is the time limit for a TLS handshake. The 10 s of client-go are too short for an
// emulated processor that starts a node at the same time. Callers set a shorter limit with a
// context.
const handshakeLimit = time.Minute

// httpClient returns the HTTP client of client-go, but with handshakeLimit, for which rest.Config
// has no field.
func httpClient(config *rest.Config) (*http.Client, error) {
	tls, err := rest.TLSConfigFor(config)
	if err != nil {
		return nil, err
	}
	transport := utilnet.SetTransportDefaults(&http.Transport{TLSClientConfig: tls, TLSHandshakeTimeout: handshakeLimit})
	wrapped, err := rest.HTTPWrappersForConfig(config, transport)
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: retrying{wrapped}}, nil
}

// Resource returns a client for the objects of a kind, in all namespaces.
func (a *API) Resource(ctx context.Context, kind schema.GroupVersionResource) (dynamic.NamespaceableResourceInterface, error) {
	if err := a.connect(ctx); err != nil {
		return nil, err
	}
	return a.dynamic.Resource(kind), nil
}

// Get returns one object. The namespace is "" for an object that is not in a namespace.
func (a *API) Get(ctx context.Context, kind schema.GroupVersionResource, namespace, name string) (*unstructured.Unstructured, error) {
	client, err := a.Resource(ctx, kind)
	if err != nil {
		return nil, err
	}
	return client.Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
}

// List returns the objects of a kind, in all namespaces.
func (a *API) List(ctx context.Context, kind schema.GroupVersionResource) ([]unstructured.Unstructured, error) {
	client, err := a.Resource(ctx, kind)
	if err != nil {
		return nil, err
	}
	var list *unstructured.UnstructuredList
	err = patiently(ctx, func() (err error) { list, err = client.List(ctx, metav1.ListOptions{}); return err })
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

// Check requests a health endpoint, such as /readyz. If the server reports a failure, the error
// names the checks that fail.
func (a *API) Check(ctx context.Context, path string) error {
	if err := a.connect(ctx); err != nil {
		return err
	}
	// Check is a probe, so it must end soon.
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
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10)) // bytes, far more than the list of checks
	if err != nil {
		return fmt.Errorf("%s does not answer: %w", path, err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %d%s", path, response.StatusCode, failing(string(body)))
	}
	return nil
}

// failing returns the checks that are marked by [-] in the verbose answer of a health endpoint.
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

// unwrapURL removes the URL from an error of the HTTP client: the path in the message is enough.
func unwrapURL(err error) error {
	if inner := errors.Unwrap(err); inner != nil {
		return inner
	}
	return err
}

// Apply creates the objects of a multi-document YAML manifest, see Create.
func (a *API) Apply(ctx context.Context, manifest []byte) error {
	if a.Script != nil {
		return a.Script(ctx, []string{"apply", "-f", "-"}, manifest)
	}
	objects, err := Objects(manifest)
	if err != nil {
		return err
	}
	return a.Create(ctx, objects)
}

// Objects parses a multi-document YAML manifest.
func Objects(manifest []byte) ([]unstructured.Unstructured, error) {
	var objects []unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(manifest), 4096) // bytes in which it looks for the start of JSON
	for {
		var object unstructured.Unstructured
		if err := decoder.Decode(&object); err == io.EOF {
			return objects, nil
		} else if err != nil {
			return nil, fmt.Errorf("reading a manifest: %w", err)
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}

// Object parses a YAML manifest with exactly one object.
func Object(manifest []byte) (*unstructured.Unstructured, error) {
	objects, err := Objects(manifest)
	if err != nil {
		return nil, err
	}
	if len(objects) != 1 {
		return nil, fmt.Errorf("reading a manifest: it has %d objects instead of one", len(objects))
	}
	return &objects[0], nil
}

// Remove deletes the objects of a multi-document YAML manifest, the last one first, each with all
// objects that it owns. It waits until they are gone. Objects that do not exist are skipped.
func (a *API) Remove(ctx context.Context, manifest []byte) error {
	objects, err := Objects(manifest)
	if err != nil {
		return err
	}
	if err := a.connect(ctx); err != nil {
		return err
	}
	for _, o := range slices.Backward(objects) {
		if err := a.remove(ctx, &o); err != nil {
			return fmt.Errorf("deleting %s %s: %w", o.GetKind(), o.GetName(), err)
		}
	}
	return nil
}

func (a *API) remove(ctx context.Context, object *unstructured.Unstructured) error {
	client := a.client(object)
	err := patiently(ctx, func() error {
		return client.Delete(ctx, object.GetName(), metav1.DeleteOptions{PropagationPolicy: new(metav1.DeletePropagationForeground)})
	})
	for err == nil {
		if _, err = client.Get(ctx, object.GetName(), metav1.GetOptions{}); err != nil {
			break
		}
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), errors.New("it still exists"))
		case <-time.After(100 * time.Millisecond): // so that the requests do not load the server
		}
	}
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// createAtOnce is the maximum number of objects that are created at the same time.
const createAtOnce = 8

// Create creates objects, first the namespaces, and then several other objects at a time in no
// particular order. It does not change an object that exists already.
func (a *API) Create(ctx context.Context, objects []unstructured.Unstructured) error {
	if err := a.connect(ctx); err != nil {
		return err
	}
	var namespaces, others []unstructured.Unstructured
	for _, o := range objects {
		if o.GetKind() == "Namespace" {
			namespaces = append(namespaces, o)
		} else {
			others = append(others, o)
		}
	}
	if err := a.createAll(ctx, namespaces); err != nil {
		return err
	}
	return a.createAll(ctx, others)
}

func (a *API) createAll(ctx context.Context, objects []unstructured.Unstructured) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(createAtOnce)
	for i := range objects {
		g.Go(func() error {
			err := a.create(ctx, &objects[i])
			if err != nil && !a.exists(ctx, &objects[i], err) {
				return fmt.Errorf("creating %s %s: %w", objects[i].GetKind(), objects[i].GetName(), err)
			}
			return nil
		})
	}
	return g.Wait()
}

// exists reports whether err means that an object exists already. A Service with a fixed address is
// refused as invalid, because the address is in use.
func (a *API) exists(ctx context.Context, object *unstructured.Unstructured, err error) bool {
	if !apierrors.IsInvalid(err) {
		return apierrors.IsAlreadyExists(err)
	}
	_, err = a.client(object).Get(ctx, object.GetName(), metav1.GetOptions{})
	return err == nil
}

func (a *API) create(ctx context.Context, object *unstructured.Unstructured) error {
	return patiently(ctx, func() error {
		_, err := a.client(object).Create(ctx, object, metav1.CreateOptions{FieldManager: fieldManager})
		return err
	})
}

// Put creates an object, or changes an existing one by server-side apply: it removes the fields
// that an earlier Put set and this one does not. Fields of other managers stay.
func (a *API) Put(ctx context.Context, object *unstructured.Unstructured) error {
	if a.Script != nil {
		manifest, err := object.MarshalJSON()
		if err != nil {
			return err
		}
		return a.Script(ctx, []string{"apply", "--server-side", "--force-conflicts", "--field-manager", fieldManager, "-f", "-"}, manifest)
	}
	if err := a.connect(ctx); err != nil {
		return err
	}
	err := patiently(ctx, func() error {
		_, err := a.client(object).Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: fieldManager, Force: true})
		return err
	})
	if err != nil {
		return fmt.Errorf("applying %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	return nil
}

// Patch changes fields of an object that is not in a namespace, by a JSON merge patch (RFC 7386).
func (a *API) Patch(ctx context.Context, kind schema.GroupVersionResource, name string, patch []byte) error {
	if a.Script != nil {
		return a.Script(ctx, []string{"patch", kind.Resource, name, "--type", "merge", "--patch", string(patch)}, nil)
	}
	client, err := a.Resource(ctx, kind)
	if err != nil {
		return err
	}
	return patiently(ctx, func() error {
		_, err := client.Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: fieldManager})
		return err
	})
}

// Delete deletes an object that is not in a namespace. If it does not exist, Delete returns nil.
func (a *API) Delete(ctx context.Context, kind schema.GroupVersionResource, name string) error {
	client, err := a.Resource(ctx, kind)
	if err != nil {
		return err
	}
	err = patiently(ctx, func() error { return client.Delete(ctx, name, metav1.DeleteOptions{}) })
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// fieldManager is the name of mkube in server-side apply, see
// https://kubernetes.io/docs/reference/using-api/server-side-apply/.
const fieldManager = "mkube"

// client returns a client for an object's kind, in its namespace.
func (a *API) client(object *unstructured.Unstructured) dynamic.ResourceInterface {
	// The plural is a guess, which is correct for every kind that mkube creates. A RESTMapper would
	// know it, but needs client-go's discovery client, see inspect.Kinds.
	resource, _ := meta.UnsafeGuessKindToResource(object.GroupVersionKind())
	client := a.dynamic.Resource(resource)
	if namespace := object.GetNamespace(); namespace != "" {
		return client.Namespace(namespace)
	}
	return client
}
