// What the review queue says, in both languages; see texts.js.
export const REVIEW = {
  en: {
    title: "Review",
    about: "Questions that found nothing or did not help. What you decide overrules all votes and becomes what searching is measured and tuned by.",
    keys: [["j k", "move"], ["r", "relevant"], ["n", "not relevant"], ["t", "this is the right one"], ["d", "dismiss"]],
    none: "No case is open.", foundNothing: "found nothing", quarantined: "people disagree",
    met: (people, when) => `${people} ${people === "1" ? "person" : "people"}, last ${when}`,
    nothingShown: "No passage that you may read was shown. Look for the right one:", find: "Look for a passage",
    relevant: "Relevant", irrelevant: "Not relevant", right: "This is the right one", dismiss: "Dismiss",
    closed: "Done. It opens again when somebody says something new.", open: "It is open again.",
    shownAs: (rank) => `shown as no. ${rank}`, named: "somebody named it as the right one",
    votes: (yes, no, people) => `${yes} for, ${no} against (${people} voted)`, contradictory: "contradictory, left out until you decide",
    decided: { right: "decided: relevant", wrong: "decided: not relevant" },
  },
  zh: {
    title: "审阅",
    about: "没有结果或没有帮助的问题。您的决定优先于所有投票，今后按它来衡量和调优搜索。",
    keys: [["j k", "移动"], ["r", "相关"], ["n", "不相关"], ["t", "这段才是正确的"], ["d", "忽略"]],
    none: "没有待审阅的问题。", foundNothing: "没有结果", quarantined: "意见不一",
    met: (people, when) => `${people} 人，最近 ${when}`,
    nothingShown: "没有显示过您可以阅读的段落。请查找正确的段落：", find: "查找段落",
    relevant: "相关", irrelevant: "不相关", right: "这段才是正确的", dismiss: "忽略",
    closed: "已完成。有人提出新意见时会重新打开。", open: "已重新打开。",
    shownAs: (rank) => `搜索结果第 ${rank} 位`, named: "有人指出它才是正确的",
    votes: (yes, no, people) => `赞成 ${yes}，反对 ${no}（${people} 人投票）`, contradictory: "意见矛盾，决定之前不采用",
    decided: { right: "已决定：相关", wrong: "已决定：不相关" },
  },
};
