package telemetry

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"parley/internal/ledger"
	"parley/internal/media"
)

// Sources are the functions that metrics are read from, once for each scrape.
// They must be quick and safe for concurrent use; nil leaves its part out.
type Sources struct {
	Live     func() Live
	Media    func() media.PlaneStats
	Ledger   func() ledger.Stats
	Webhooks func() Webhooks
}

// Live is what there is at the moment.
type Live struct {
	Conferences  int
	Participants int // joined
	Calls        int // not ended
	Playbacks    int
	Recordings   int
}

// Webhooks counts the work of delivery.
type Webhooks struct {
	// Deliveries by outcome of a try since the start: "succeeded", "failed"
	// (will be tried again), "dead".
	Deliveries map[string]int64
	Pending    int           // lanes with an event to deliver, now
	Breakers   int           // destinations whose breaker is open, now
	Oldest     time.Duration // age of the oldest undelivered event, now
}

// Metrics is what /metrics shows. It is safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
}

// NewMetrics makes the metrics of one server: those of sources, of the API's
// requests, of the Go runtime and of the process.
func NewMetrics(version string, sources Sources) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "parley_http_request_duration_seconds",
			Help:    "Time from an API request to its answer.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"method", "route", "status"}),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "parley_build_info", Help: "Always 1; the label says which build this is.",
		ConstLabels: prometheus.Labels{"version": version},
	})
	info.Set(1)
	m.registry.MustRegister(info, m.requests, &collector{sources: sources, catalogue: newCatalogue()}, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler is /metrics, in Prometheus' text format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// ObserveRequest counts one request to the API. route is the pattern that
// matched ("/v1/conferences/{id}"), never the path, which has too many values.
func (m *Metrics) ObserveRequest(method, route string, status int, took time.Duration) {
	m.requests.WithLabelValues(method, route, strconv.Itoa(status)).Observe(took.Seconds())
}

// A metric is one name in the exposition.
type metric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func gauge(name, help string, labels ...string) metric {
	return metric{prometheus.NewDesc("parley_"+name, help, labels, nil), prometheus.GaugeValue}
}

func counter(name, help string, labels ...string) metric {
	return metric{prometheus.NewDesc("parley_"+name, help, labels, nil), prometheus.CounterValue}
}

// catalogue is every metric that is read from Sources.
type catalogue struct {
	conferences, participants, calls, playbacks, recordings    metric
	sessions, mixes, ports, beats, late, skipped, lost, panics metric
	in, out, fail, unknown, malformed                          metric
	groups, writes, events, conflicts, failures                metric
	available, lastApply, queued, subscribers                  metric
	deliveries, pending, breakers, oldest                      metric
}

func newCatalogue() *catalogue {
	return &catalogue{
		conferences:  gauge("conferences", "Live conferences."),
		participants: gauge("participants", "Calls that are in a conference."),
		calls:        gauge("calls", "Calls that have not ended."),
		playbacks:    gauge("playbacks", "Playbacks that run."),
		recordings:   gauge("recordings", "Recordings that run or are paused."),

		sessions:  gauge("media_sessions", "Open RTP sessions."),
		mixes:     gauge("media_mixes", "Open mixes."),
		ports:     gauge("media_port_pairs", "Open pairs of UDP ports."),
		beats:     counter("media_beats_total", "Beats of mixes."),
		late:      counter("media_beats_late_total", "Beats that began late."),
		skipped:   counter("media_beats_skipped_total", "Beats left out after a stall."),
		lost:      counter("media_facts_lost_total", "Facts of the media plane that were dropped."),
		in:        counter("media_packets_received_total", "RTP packets taken."),
		out:       counter("media_packets_sent_total", "RTP packets sent."),
		fail:      counter("media_send_errors_total", "RTP packets that the kernel did not take."),
		unknown:   counter("media_packets_unknown_source_total", "Packets from an address that is no call's."),
		malformed: counter("media_packets_malformed_total", "Packets that are neither RTP nor RTCP of their call."),
		panics:    counter("media_panics_total", "Calls ended because their code panicked."),

		groups:      counter("ledger_transactions_total", "Transactions that were tried; many writes share one."),
		writes:      counter("ledger_writes_total", "Writes that became durable."),
		events:      counter("ledger_events_total", "Events that became durable."),
		conflicts:   counter("ledger_conflicts_total", "Writes refused because a key was taken."),
		failures:    counter("ledger_failures_total", "Writes refused because the store failed."),
		available:   gauge("ledger_available", "1 when the last transaction succeeded."),
		lastApply:   gauge("ledger_last_transaction_seconds", "How long the last transaction took."),
		queued:      gauge("ledger_writes_queued", "Writes that wait for the next transaction."),
		subscribers: gauge("ledger_subscribers", "Readers that follow the ledger."),

		deliveries: counter("webhook_deliveries_total", "Tries to deliver an event, by outcome.", "outcome"),
		pending:    gauge("webhook_lanes_pending", "Conferences, per webhook, with an event to deliver."),
		breakers:   gauge("webhook_breakers_open", "Destinations that are down."),
		oldest:     gauge("webhook_oldest_undelivered_seconds", "Age of the oldest undelivered event."),
	}
}

// collector reads Sources for each scrape.
type collector struct {
	sources   Sources
	catalogue *catalogue
}

// Describe sends nothing: which metrics there are depends on the sources.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect reads every source once.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	m := c.catalogue
	send := func(m metric, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(m.desc, m.kind, v, labels...)
	}
	if c.sources.Live != nil {
		m.live(send, c.sources.Live())
	}
	if c.sources.Media != nil {
		m.media(send, c.sources.Media())
	}
	if c.sources.Ledger != nil {
		m.ledger(send, c.sources.Ledger())
	}
	if c.sources.Webhooks != nil {
		m.webhooks(send, c.sources.Webhooks())
	}
}

// A sendFunc passes one value on to the scrape.
type sendFunc func(m metric, v float64, labels ...string)

func (m *catalogue) live(send sendFunc, v Live) {
	send(m.conferences, float64(v.Conferences))
	send(m.participants, float64(v.Participants))
	send(m.calls, float64(v.Calls))
	send(m.playbacks, float64(v.Playbacks))
	send(m.recordings, float64(v.Recordings))
}

func (m *catalogue) media(send sendFunc, v media.PlaneStats) {
	send(m.sessions, float64(v.Sessions))
	send(m.mixes, float64(v.Mixes))
	send(m.ports, float64(v.Ports))
	send(m.beats, float64(v.Beats))
	send(m.late, float64(v.LateBeats))
	send(m.skipped, float64(v.SkippedBeats))
	send(m.lost, float64(v.LostFacts))
	send(m.in, float64(v.PacketsIn))
	send(m.out, float64(v.PacketsOut))
	send(m.fail, float64(v.SendErrors))
	send(m.unknown, float64(v.UnknownSource))
	send(m.malformed, float64(v.Malformed))
	send(m.panics, float64(v.Panics))
}

func (m *catalogue) ledger(send sendFunc, v ledger.Stats) {
	send(m.groups, float64(v.Groups))
	send(m.writes, float64(v.Writes))
	send(m.events, float64(v.Events))
	send(m.conflicts, float64(v.Conflicts))
	send(m.failures, float64(v.Failures))
	send(m.available, truth(v.Available))
	send(m.lastApply, v.LastApply.Seconds())
	send(m.queued, float64(v.Queued))
	send(m.subscribers, float64(v.Subscribers))
}

func (m *catalogue) webhooks(send sendFunc, v Webhooks) {
	for outcome, n := range v.Deliveries {
		send(m.deliveries, float64(n), outcome)
	}
	send(m.pending, float64(v.Pending))
	send(m.breakers, float64(v.Breakers))
	send(m.oldest, v.Oldest.Seconds())
}

// truth is 1 or 0.
func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
