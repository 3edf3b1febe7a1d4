package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"parley/internal/server"
	"parley/internal/telemetry"
)

// serveCmd is `parley serve`. Each option is also PARLEY_… in the environment
// and a key of the configuration file, both by the flag's name.
type serveCmd struct {
	Config string `env:"PARLEY_CONFIG" placeholder:"FILE" help:"Configuration file (YAML): option names without dashes, one a line."`

	Data string `env:"PARLEY_DATA" default:"${data}" placeholder:"DIR" help:"Directory of the database, recordings and media files (${default})."`
	HTTP string `name:"http" env:"PARLEY_HTTP" default:"${http}" placeholder:"ADDR" help:"Where the API listens (${default})."`

	SIP         string        `name:"sip" env:"PARLEY_SIP" default:"${sip}" placeholder:"ADDR" help:"Where SIP listens, UDP and TCP (${default})."`
	SIPAllow    []prefix      `name:"sip-allow" env:"PARLEY_SIP_ALLOW" default:"${sipAllow}" placeholder:"CIDR" help:"Who may call in without a trunk (${default})."`
	RingTimeout time.Duration `env:"PARLEY_RING_TIMEOUT" default:"${ringTimeout}" placeholder:"TIME" help:"How long an incoming call waits for the application (${default})."`

	RTP          netip.Addr    `name:"rtp" env:"PARLEY_RTP" default:"${rtp}" placeholder:"IP" help:"Address of the sound, as phones are told (${default})."`
	RTPPorts     portRange     `name:"rtp-ports" env:"PARLEY_RTP_PORTS" default:"${rtpPorts}" placeholder:"FIRST-LAST" help:"UDP ports of the sound (${default})."`
	MediaTimeout time.Duration `env:"PARLEY_MEDIA_TIMEOUT" default:"${mediaTimeout}" placeholder:"TIME" help:"End a call that sends nothing for so long (${default})."`
	MediaShards  int           `env:"PARLEY_MEDIA_SHARDS" default:"${mediaShards}" placeholder:"N" help:"Mixing threads; 0: one for each processor (${default})."`

	APIKey                string          `name:"api-key" env:"PARLEY_API_KEY" placeholder:"KEY" help:"The first API key. Without it one is made at the first start and printed once."`
	NotifyURL             string          `name:"notify-url" env:"PARLEY_NOTIFY_URL" placeholder:"URL" help:"Where the default webhook sends events; may be private."`
	NotifySecret          string          `name:"notify-secret" env:"PARLEY_NOTIFY_SECRET" placeholder:"SECRET" help:"What signs the default webhook's deliveries: whsec_ and base64. Without it one is made at the first start and printed once."`
	AllowPrivateCallbacks bool            `env:"PARLEY_ALLOW_PRIVATE_CALLBACKS" help:"Let customers' URLs lead to loopback and private addresses."`
	WebhookSchedule       []time.Duration `env:"PARLEY_WEBHOOK_SCHEDULE" placeholder:"TIME" help:"How long to wait after each failed delivery; the last is repeated."`
	WebhookGiveUp         time.Duration   `env:"PARLEY_WEBHOOK_GIVE_UP" default:"${webhookGiveUp}" placeholder:"TIME" help:"How long one event is tried (${default})."`

	MaxUpload    byteSize      `env:"PARLEY_MAX_UPLOAD" default:"${maxUpload}" placeholder:"SIZE" help:"Largest media file (${default})."`
	MaxCalls     int           `env:"PARLEY_MAX_CALLS" default:"${maxCalls}" placeholder:"N" help:"Most calls at one time (${default})."`
	DrainTimeout time.Duration `env:"PARLEY_DRAIN_TIMEOUT" default:"${drainTimeout}" placeholder:"TIME" help:"How long calls may go on after SIGTERM (${default})."`

	LogLevel  telemetry.Level  `env:"PARLEY_LOG_LEVEL" default:"info" placeholder:"LEVEL" help:"debug, info, warn or error (${default})."`
	LogFormat telemetry.Format `env:"PARLEY_LOG_FORMAT" default:"text" placeholder:"FORMAT" help:"text or json (${default})."`
}

// serveDefaults hands the server's own defaults to the flags, so that they are
// written down once.
func serveDefaults() kong.Vars {
	d := server.Default()
	allow := make([]string, len(d.SIP.Allow))
	for i, p := range d.SIP.Allow {
		allow[i] = p.String()
	}
	return kong.Vars{
		"data":          d.Data,
		"http":          d.HTTP,
		"sip":           d.SIP.Addr,
		"sipAllow":      strings.Join(allow, ","),
		"ringTimeout":   d.SIP.RingTimeout.String(),
		"rtp":           d.RTP.Addr.String(),
		"rtpPorts":      portRange{d.RTP.PortMin, d.RTP.PortMax}.String(),
		"mediaTimeout":  d.RTP.SilenceTimeout.String(),
		"mediaShards":   fmt.Sprint(d.RTP.Shards),
		"webhookGiveUp": d.Webhooks.GiveUp.String(),
		"maxUpload":     byteSize(d.MaxUpload).String(),
		"maxCalls":      fmt.Sprint(d.MaxCalls),
		"drainTimeout":  d.DrainTimeout.String(),
	}
}

// BeforeResolve reads the configuration file, when there is one, for the
// options that neither the command line nor the environment gives.
func (c *serveCmd) BeforeResolve(k *kong.Context) error {
	for _, f := range k.Selected().Flags {
		if name, _ := k.FlagValue(f).(string); f.Name == "config" && name != "" {
			s, err := openConfig(name, fileOptions(k))
			if err != nil {
				return err
			}
			k.AddResolver(s)
		}
	}
	return nil
}

// fileOptions are the options of the selected command that may be in a file.
func fileOptions(k *kong.Context) []*kong.Flag {
	return slices.DeleteFunc(slices.Clone(k.Selected().Flags), func(f *kong.Flag) bool {
		return f.Name == "config" || f.Name == "help"
	})
}

// config is the server's configuration.
func (c *serveCmd) config(t terminal) server.Config {
	allow := make([]netip.Prefix, len(c.SIPAllow))
	for i, p := range c.SIPAllow {
		allow[i] = netip.Prefix(p)
	}
	return server.Config{
		Data: c.Data,
		HTTP: c.HTTP,
		SIP:  server.SIPConfig{Addr: c.SIP, Allow: allow, RingTimeout: c.RingTimeout},
		RTP: server.RTPConfig{
			Addr: c.RTP, PortMin: c.RTPPorts.first, PortMax: c.RTPPorts.last,
			SilenceTimeout: c.MediaTimeout, Shards: c.MediaShards,
		},
		Webhooks: server.WebhookConfig{
			NotifyURL: c.NotifyURL, NotifySecret: c.NotifySecret, AllowPrivate: c.AllowPrivateCallbacks,
			Schedule: c.WebhookSchedule, GiveUp: c.WebhookGiveUp,
		},
		APIKey:       c.APIKey,
		MaxUpload:    int64(c.MaxUpload),
		MaxCalls:     c.MaxCalls,
		DrainTimeout: c.DrainTimeout,
		Version:      version(),
		Logger:       telemetry.NewLogger(t.err, c.LogLevel, c.LogFormat),
	}
}

// Run serves until the context ends.
func (c *serveCmd) Run(ctx context.Context, t terminal) error {
	return server.Run(ctx, c.config(t), t.out)
}
