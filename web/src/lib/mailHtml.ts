import type { Attachment } from '@/api'

/** What the frame for one mail needs. `remote`: pictures that would be fetched from elsewhere. */
export interface PreparedMail {
  body: string
  remote: number
  /** The mail brings colours of its own and is shown on white paper even in the dark. */
  coloured: boolean
}

const COLOUR = /(background(-color)?|color)\s*:|bgcolor=|<font[^>]+color/i

export function prepareMail(
  html: string,
  attachments: readonly Attachment[],
  inlineUrl: (file: Attachment) => string,
  loadRemote: boolean,
): PreparedMail {
  const page = new DOMParser().parseFromString(html, 'text/html')
  for (const forbidden of page.querySelectorAll('script, iframe, object, embed, form, meta, link, base')) forbidden.remove()
  for (const image of page.querySelectorAll<HTMLImageElement>('img')) placeImage(image, attachments, inlineUrl)
  const remote = [...page.querySelectorAll<HTMLImageElement>('img[data-remote-src]')]
  for (const image of remote) {
    if (loadRemote) image.setAttribute('src', image.dataset.remoteSrc ?? '')
    else image.removeAttribute('src')
  }
  for (const link of page.querySelectorAll('a[href]')) {
    link.setAttribute('target', '_blank')
    link.setAttribute('rel', 'noopener noreferrer nofollow')
  }
  const body = page.body.innerHTML
  return { body, remote: remote.length, coloured: COLOUR.test(body) }
}

function placeImage(
  image: HTMLImageElement,
  attachments: readonly Attachment[],
  inlineUrl: (file: Attachment) => string,
): void {
  const source = image.getAttribute('src') ?? ''
  if (source.startsWith('cid:')) {
    const id = decodeURIComponent(source.slice(4))
    const file = attachments.find((candidate) => candidate.content_id.replace(/^<|>$/g, '') === id)
    if (file) image.setAttribute('src', inlineUrl(file))
    else image.removeAttribute('src')
  } else if (/^(https?:)?\/\//i.test(source)) {
    image.setAttribute('data-remote-src', source)
  }
}

/** The ids of inline pictures that the mail shows in place, and that need not be listed again below it. */
export function cidsShown(html: string): Set<string> {
  return new Set([...html.matchAll(/src=["']?cid:([^"'\s>]+)/gi)].map((hit) => decodeURIComponent(hit[1] ?? '')))
}

const STYLE = `
html,body{margin:0;padding:0;background:transparent}
body{font:14px/1.6 system-ui,-apple-system,"Segoe UI",Roboto,"PingFang SC","Hiragino Sans GB","Microsoft YaHei","Noto Sans CJK SC",sans-serif;
color:var(--ink);overflow-wrap:anywhere;overflow-x:auto;overflow-y:hidden}
img{max-width:100%;height:auto}
img[data-remote-src]:not([src]){display:inline-block;min-width:24px;min-height:24px;border:1px dashed var(--line);border-radius:4px}
table{max-width:100%}pre{white-space:pre-wrap}
blockquote{margin:8px 0;padding-left:12px;border-left:3px solid var(--line);color:var(--soft)}
a{color:var(--link)}body>:first-child{margin-top:0}body>:last-child{margin-bottom:0}`

/** The whole srcdoc: nothing runs, nothing is fetched but our own attachments and, when asked for, pictures. */
export function mailDocument(mail: PreparedMail, dark: boolean, loadRemote: boolean, origin: string): string {
  const pictures = [`${origin}/api/v1/attachments/`, 'data:', ...(loadRemote ? ['https:', 'http:'] : [])].join(' ')
  const policy = `default-src 'none'; style-src 'unsafe-inline'; img-src ${pictures}`
  const onPaper = dark && mail.coloured
  const ink =
    dark && !onPaper
      ? '--ink:#dfe5e4;--line:#45504f;--soft:#9fadab;--link:#6fc9bf;color-scheme:dark'
      : '--ink:#1c2625;--line:#c9d2d1;--soft:#5a6766;--link:#0b625b;color-scheme:light'
  const paper = onPaper ? 'html{background:#fff}body{padding:12px}' : ''
  return `<!doctype html><html style="${ink}"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${policy}"><meta name="referrer" content="no-referrer"><style>${STYLE}${paper}</style></head><body>${mail.body}</body></html>`
}
