// Everything the page says, in both languages; what the server says comes in English, known notes are translated here.
import { currentLanguage } from "./preferences.js";
import { REVIEW } from "./review_texts.js";

const TEXTS = {
  en: {
    title: "Knowledge base", search: "Search", overview: "Overview", otherLanguage: "中文", dark: "Dark", light: "Light",
    colours: "Colours", skip: "Skip to content",
    // signing in
    signIn: "Sign in", signOut: "Sign out", key: "Your key", askKey: "This knowledge base asks for a key.",
    // asking
    ask: "Ask in your own words", mode: "Search by", hybrid: "meaning and words", vector: "meaning", lexical: "words",
    count: "Results", perDocument: "Per document", any: "any", merge: "join neighbours", filters: "Filters",
    collection: "Collection", clear: "Clear filters", condition: "Condition",
    conditionHelp: "Columns: source_file, page_number, page_end, section_title, collection, language, token_count, created_at, metadata.<key> and the fields. Operators: = <> < <= > >= like in between, is null, and, or, not.",
    searching: "Searching…", slow: "This takes longer than usual; the embedding server may be starting.", cancel: "Cancel",
    welcome: "Ask a question, or look for words, names and numbers. \"Quotation marks\" ask for an exact phrase, a -minus leaves a word out.",
    keys: [["/", "search"], ["j k", "move"], ["Enter", "open"], ["Esc", "back"]],
    offline: "The search server cannot be reached; start it and try again.", retry: "Try again",
    // results
    results: "Results", found: (n, ms) => `${n} ${n === 1 ? "passage" : "passages"} in ${duration(ms)}`, asked: "Searched for",
    masked: "personal data masked", nothing: "Nothing found. Try other words or fewer filters.",
    page: (a, b) => (b && b !== a ? `pp. ${a}–${b}` : `p. ${a}`), score: "score", more: "Show all", less: "Show less",
    also: "Also in", comma: ", ", others: (n) => ` and ${n} more`, because: "Why here",
    why: ["", "rank", "score", "scaled", "weight"], whyCaption: "What each ranking says of this passage",
    coverage: "share of the question in words", shift: "taken off for the language", reranked: "reranker",
    read: "Read it in the document",
    // the answer
    answer: "Answer", writeAnswer: "write an answer", writing: "Writing…", stop: "Stop", stopped: "Stopped before it was complete.",
    source: (n, place) => `Source ${n}: ${place}`, byModel: "Written by a language model out of the passages below; check what it cites.",
    dropped: (n) => (n === 1 ? "One sentence without a source was left out." : `${n} sentences without a source were left out.`),
    answerNotes: {},
    // feedback
    helpfulAnswer: "Was this what you were looking for?", helpful: "Helpful", unhelpful: "Not helpful",
    rightOne: "This is the right one", rightChosen: "Marked as the right one", undo: "Undo", whatWrong: "What was wrong?",
    noted: "Thank you, noted.", withdrawn: "Taken back.",
    reasons: {
      wrong_document: "wrong document", outdated: "outdated", wrong_place: "right document, wrong place",
      not_found: "the answer is not there", wrong_language: "wrong language",
    },
    // a document
    back: "Back", passages: "Passages", pages: "Pages", original: "Original file", earlier: "Show what comes before",
    later: "Show what comes after", cited: "cited passage", citedPage: "cited page", about: "About this document", changed: "changed", loaded: "searchable since", format: "format",
    size: "size", chunks: "passages", pageCount: "pages", warnings: "Remarks of parsing", metadata: "Metadata",
    loading: "Loading…", wholeText: "Whole text",
    // the overview
    documents: "documents", pending: "waiting", failed: "failed", vectors: "vectors", byCollection: "Collections",
    byFormat: "Formats", freshness: "Freshness", freshnessOf: { day: "last 24 hours", week: "last 7 days", month: "last 30 days", quarter: "last 90 days", year: "last year", older: "older" },
    failures: "What failed", noFailures: "Nothing failed.", file: "File", stage: "Stage", reason: "Reason", attempts: "Attempts",
    failedAt: "Failed", waiting: "What waits, and why", noneWaiting: "Nothing waits.", servers: "Servers", server: "Server", address: "Address",
    running: "running", startsWhenNeeded: "starts when needed", state: "State",
    nothingFound: "Recent searches that found nothing", noneMissed: "Every recent search found something.", query: "Query", times: "Times",
    lastTime: "Last", newest: "Newest", share: "Share", unnamed: "other", asOf: (when) => `As of ${when}`,
    stages: { raw_documents: "reading the file", cleaned_elements: "parsing", chunks: "chunking", embeddings: "embedding" },
    pendingReasons: {
      new: "new", changed: "changed", moved: "moved", deleted: "deleted", policy: "masked by other rules now",
      parse: "parsed another way now", chunk: "cut another way now", vectors: "vectors are missing", retry: "failed, due again",
    },
    review: REVIEW.en,
    notes: {},
  },
  zh: {
    title: "知识库", search: "搜索", overview: "概况", otherLanguage: "English", dark: "深色", light: "浅色",
    colours: "配色", skip: "跳到正文",
    signIn: "登录", signOut: "退出", key: "您的密钥", askKey: "使用本知识库需要密钥。",
    ask: "用自己的话提问", mode: "方式", hybrid: "语义 + 关键词", vector: "语义", lexical: "关键词",
    count: "条数", perDocument: "每个文档", any: "不限", merge: "合并相邻段落", filters: "筛选",
    collection: "文件集", clear: "清除筛选", condition: "条件",
    conditionHelp: "可用列：source_file、page_number、page_end、section_title、collection、language、token_count、created_at、metadata.<键> 以及自定义字段。可用运算：= <> < <= > >= like in between、is null、and、or、not。",
    searching: "正在搜索…", slow: "比平时慢，向量服务可能正在启动。", cancel: "取消",
    welcome: "可以提问，也可以查找词语、名称和编号。加“引号”表示整句匹配，-词 表示排除该词。",
    keys: [["/", "搜索"], ["j k", "移动"], ["Enter", "打开"], ["Esc", "返回"]],
    offline: "连不上搜索服务，请启动后重试。", retry: "重试",
    results: "搜索结果", found: (n, ms) => `找到 ${n} 段，用时 ${duration(ms)}`, asked: "搜索的是",
    masked: "个人信息已脱敏", nothing: "没有找到。换个说法，或减少筛选条件。",
    page: (a, b) => (b && b !== a ? `第 ${a}–${b} 页` : `第 ${a} 页`), score: "得分", more: "显示全文", less: "收起",
    also: "同样内容还见于", comma: "、", others: (n) => ` 等另外 ${n} 处`, because: "排序依据",
    why: ["", "名次", "得分", "归一", "权重"], whyCaption: "两种排序对这一段的评价",
    coverage: "关键词覆盖", shift: "语言修正", reranked: "重排",
    read: "在文档中阅读",
    answer: "回答", writeAnswer: "生成回答", writing: "正在写回答…", stop: "停止", stopped: "已停止，回答不完整。",
    source: (n, place) => `来源 ${n}：${place}`, byModel: "由语言模型根据下面的段落写成，请核对来源。",
    dropped: (n) => `有 ${n} 句没有来源，已略去。`,
    answerNotes: {
      gone: "连不上对话服务，请启动它，或取消 KB_ANSWERS__URL。", key: "对话服务拒绝了密钥，请更正 KB_ANSWERS__API_KEY。",
      address: "对话服务没有这个地址或模型，请更正 [answers] 的 url 或 model。",
      refused: "对话服务拒绝了请求，请更正 [answers] 的 model、passages 或 passage_tokens。",
      busy: "对话服务太忙，请稍后再问。", places: "正在写的回答太多，请稍后再问。", failed: "对话服务出错，请再问一次，或查看它的日志。",
      silent: "对话服务太久没有回应，请再问一次。", slow: "回答用时太长，请缩小问题。", length: "回答过长，已截断。",
      withheld: "对话服务没有给出其余部分，请换个说法。", cut_off: "对话服务中途断开，请再问一次。",
      nonsense: "对话服务的回应无法识别，请更正 [answers] 的 url。", empty: "对话服务什么也没说，请再问一次。",
      uncited: "对话服务没有说明依据哪些段落，因此不显示，请换个说法。", prompt: "提示词文件有误，请更正 [answers] 的 prompt。",
    },
    helpfulAnswer: "找到需要的内容了吗？", helpful: "有帮助", unhelpful: "没有帮助",
    rightOne: "这段才是正确的", rightChosen: "已标为正确段落", undo: "撤销", whatWrong: "哪里不对？",
    noted: "谢谢，已记录。", withdrawn: "已撤销。",
    reasons: {
      wrong_document: "文档不对", outdated: "内容过时", wrong_place: "文档对，位置不对", not_found: "里面没有答案",
      wrong_language: "语言不对",
    },
    back: "返回", passages: "段落", pages: "页面", original: "原始文件", earlier: "显示前面的内容",
    later: "显示后面的内容", cited: "引用的段落", citedPage: "引用的页", about: "文档信息", changed: "修改时间", loaded: "可搜索起始", format: "格式",
    size: "大小", chunks: "段落数", pageCount: "页数", warnings: "解析提示", metadata: "元数据",
    loading: "正在加载…", wholeText: "全文",
    documents: "文档", pending: "待处理", failed: "失败", vectors: "向量", byCollection: "文件集",
    byFormat: "格式", freshness: "新鲜度", freshnessOf: { day: "24 小时内", week: "7 天内", month: "30 天内", quarter: "90 天内", year: "一年内", older: "更早" },
    failures: "失败的文档", noFailures: "没有失败的文档。", file: "文件", stage: "阶段", reason: "原因", attempts: "次数",
    failedAt: "失败时间", waiting: "待处理及原因", noneWaiting: "没有待处理的文档。", servers: "服务", server: "服务", address: "地址",
    running: "运行中", startsWhenNeeded: "需要时启动", state: "状态",
    nothingFound: "最近没有结果的搜索", noneMissed: "最近的搜索都有结果。", query: "查询", times: "次数",
    lastTime: "最近一次", newest: "最新", share: "占比", unnamed: "其他", asOf: (when) => `截至 ${when}`,
    stages: { raw_documents: "读取文件", cleaned_elements: "解析", chunks: "切分", embeddings: "向量化" },
    pendingReasons: {
      new: "新增", changed: "已修改", moved: "已移动", deleted: "已删除", policy: "脱敏规则已改变", parse: "解析方式已改变",
      chunk: "切分方式已改变", vectors: "缺少向量", retry: "失败后等待重试",
    },
    review: REVIEW.zh,
    notes: {
      empty: "知识库还是空的：请用 kb ingest 导入一个文档文件夹。",
      embedding_server: "向量服务没有响应，因此只按关键词搜索。",
      language: "当前的向量模型不支持这种语言，因此只按关键词搜索。",
      language_vector: "当前的向量模型不支持这种语言，改用关键词方式效果更好。",
      no_terms: "查询中没有可以检索的词，请换个说法。",
      phrase: "没有一段逐字包含引号中的内容，请去掉引号再搜索。",
      reranker: "重排服务没有给出可用的结果，因此按原有顺序显示。",
      unknown_collection: "没有这个文件集。",
    },
  },
};

// A text of the chosen language.
export function t(name) {
  return TEXTS[currentLanguage()][name];
}

export function locale() {
  return currentLanguage() === "zh" ? "zh-CN" : "en";
}

export function whole(number) {
  return number.toLocaleString(locale());
}

export function day(text) {
  return new Date(text).toLocaleDateString(locale(), { dateStyle: "medium" });
}

export function moment(text) {
  return new Date(text).toLocaleString(locale(), { dateStyle: "medium", timeStyle: "short" });
}

function duration(ms) {
  const [amount, unit] = ms < 1000 ? [Math.round(ms), "millisecond"] : [ms / 1000, "second"];
  return amount.toLocaleString(locale(), { style: "unit", unit, maximumFractionDigits: 1 });
}

export function bytes(number) {
  const units = ["B", "kB", "MB", "GB"];
  let unit = 0;
  for (; number >= 1000 && unit < units.length - 1; unit += 1) number /= 1000;
  return `${number.toLocaleString(locale(), { maximumFractionDigits: unit ? 1 : 0 })} ${units[unit]}`;
}

// "report.pdf p. 3": where a passage stands.
export function placeOf(place) {
  return place.source_file + (place.page_number ? ` ${t("page")(place.page_number, place.page_end)}` : "");
}
